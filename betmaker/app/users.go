package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"stavka.local/betmaker/internal/adapters/argon2id"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/config"
	"stavka.local/shared/service"
)

// UsersCommand returns the command group users.
func UsersCommand(configure service.Configure[Config]) *cobra.Command {
	var username string
	set := configure.Command("set-password NAME", "Give a user another password, and end the user's tokens", func(cmd *cobra.Command, c Config) error {
		return setPassword(cmd, c, username)
	})
	set.Long = `Give a user another password, and end the user's tokens. No old password is needed.

The new password is asked for twice, without echo, when the standard input is a
terminal, and otherwise is its first line.`
	set.Args = func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(1)(cmd, args); err != nil {
			return err
		}
		username = args[0]
		return nil
	}
	unlock := configure.Command("unlock NAME", "Lift the lockout of a user name after too many wrong passwords", func(cmd *cobra.Command, c Config) error {
		return withStore(cmd.Context(), c, func(s *store) error {
			users := &usecase.Users{Store: s.Users}
			if err := users.Unlock(cmd.Context(), domain.Origin{Address: "terminal"}, s.LoginFailures, username); err != nil {
				return err
			}
			return service.Printf(cmd.OutOrStdout(), "earlier failed attempts to sign in as %q no longer count\n", username)
		})
	})
	unlock.Args = set.Args
	return service.Group("users", "Help users to sign in", set, unlock)
}

func setPassword(cmd *cobra.Command, c Config, username string) error {
	return withStore(cmd.Context(), c, func(s *store) error {
		password, err := readPassword(cmd.InOrStdin(), cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		users := &usecase.Users{Store: s.Users, Passwords: argon2id.New(1)}
		user, err := users.SetPassword(cmd.Context(), domain.Origin{Address: "terminal"}, username, password)
		if err != nil {
			return fmt.Errorf("set the password of %q: %w", username, err)
		}
		return service.Printf(cmd.OutOrStdout(), "user %d, %q, has another password now; earlier tokens end within a second\n", user.ID, user.Username)
	})
}

// withStore calls do with the store, beside a bet-maker that may be running.
func withStore(ctx context.Context, c Config, do func(*store) error) (err error) {
	s, err := openStore(ctx, c, true, slog.Default())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return do(s)
}

// errPasswordsDiffer is the error of a password that was typed in two ways.
var errPasswordsDiffer = errors.New("the two passwords differ; nothing was changed")

// readPassword returns the first line of in. From a terminal it asks for it twice, without echo.
func readPassword(in io.Reader, prompts io.Writer) (string, error) {
	if file, ok := in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		first, err := ask(file, prompts, "New password: ")
		if err != nil {
			return "", err
		}
		again, err := ask(file, prompts, "Again: ")
		if err != nil {
			return "", err
		}
		if first != again {
			return "", errPasswordsDiffer
		}
		return first, nil
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && (!errors.Is(err, io.EOF) || line == "") {
		return "", fmt.Errorf("read the password from the standard input: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func ask(terminal *os.File, prompts io.Writer, prompt string) (string, error) {
	if err := service.Printf(prompts, "%s", prompt); err != nil {
		return "", err
	}
	password, err := term.ReadPassword(int(terminal.Fd()))
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return string(password), service.Printf(prompts, "\n")
}

// refuseKnownPasswords fails in production, and warns otherwise, while an active administrator has a
// password that everybody knows.
func refuseKnownPasswords(ctx context.Context, c Config, users *usecase.Users, log *slog.Logger) error {
	admins, err := users.AdminsWithKnownPasswords(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, admin := range admins {
		problem := fmt.Sprintf("the administrator %q has a password that everybody knows; set another: %s users set-password %s",
			admin.Username, c.Program, admin.Username)
		if c.Production {
			problems = append(problems, fmt.Errorf("%s (STAVKA_ENV=%s refuses it)", problem, config.Production))
			continue
		}
		log.WarnContext(ctx, "INSECURE CONFIGURATION", "problem", problem)
	}
	return errors.Join(problems...)
}

// FirstUserEntrance says whether the first user can sign in with the configured password, in words
// for the person who started the program. It shows the password only if it is public. Call it when
// the channel of Ready is closed.
func (a *App) FirstUserEntrance(ctx context.Context) (string, error) {
	first, password := a.config.FirstUser, a.config.FirstUser.Password.Reveal()
	entrance, err := a.users.Entrance(ctx, first.Username, password)
	if err != nil {
		return "", fmt.Errorf("look at the first user: %w", err)
	}
	switch entrance {
	case usecase.EntranceOpen:
	case usecase.EntranceMissing:
		return fmt.Sprintf("the first user, %s, has another name now", first.Username), nil
	case usecase.EntranceInactive:
		return fmt.Sprintf("the first user, %s, has been deactivated", first.Username), nil
	case usecase.EntranceOtherPassword:
		return fmt.Sprintf("user %s, with another password than FIRST_USER_PASSWORD;\n%s users set-password %s sets a new one",
			first.Username, a.config.Program, first.Username), nil
	}
	if password == DefaultPassword {
		return fmt.Sprintf("user %s, password %s", first.Username, password), nil
	}
	return fmt.Sprintf("user %s, password as in FIRST_USER_PASSWORD", first.Username), nil
}
