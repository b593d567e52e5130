package app

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"stavka.local/shared/service"
)

func TestInvalidCommands(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"sing", "serve now", "migrate", "migrate sideways", "events", "events resolve", "events resolve 7",
		"events resolve seven --void", "events resolve 0 --void", "events resolve 7 --perhaps", "events resolve 7 --void --adopt", "events resolve 7 --void=false",
		"dead-letters", "--void", "healthcheck please", "ledger", "ledger check", "ledger verify now", "ledger verify --head",
		"ledger verify --head 7", "ledger verify --head 0:0f", "users", "users set-password", "users set-password a b", "users unlock", "bets", "bets export all", "bets export --format xml",
	} {
		var out strings.Builder
		err := service.Run(t.Context(), NewCommand(), strings.Fields(line), &out, &out)
		if misuse := (*service.UsageError)(nil); !errors.As(err, &misuse) || !strings.Contains(err.Error(), "--help") {
			t.Errorf("%q: got %v, want a usage error that leads to --help", line, err)
		}
		if out.Len() > 0 {
			t.Errorf("%q printed %q", line, out.String())
		}
	}
}

func TestValidCommands(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"", "serve", "healthcheck", "migrate up", "migrate down", "migrate status", "dead-letters count", "dead-letters redrive",
		"events resolve 7 --void", "events resolve 7 --adopt", "events resolve --void 7",
		"ledger verify", "ledger verify --head 7:" + strings.Repeat("0f", 32), "users set-password anna", "users unlock anna", "bets export", "bets export --format json",
	} {
		understood := errors.New("understood")
		root := newCommand(func(*cobra.Command) (Config, error) { return Config{}, understood })
		if err := service.Run(t.Context(), root, strings.Fields(line), io.Discard, io.Discard); !errors.Is(err, understood) {
			t.Errorf("%q is not understood: %v", line, err)
		}
	}
}

func TestHelpAndVersionNeedNoConfiguration(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{"--help": "Usage:", "-h": "Usage:", "help": "Usage:", "version": "betmaker"} {
		var out strings.Builder
		if err := service.Run(t.Context(), NewCommand(), []string{args}, &out, &out); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %v, %q", args, err, out.String())
		}
	}
}

func TestHelpListsEveryVariable(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := service.Run(t.Context(), NewCommand(), []string{"help", "variables"}, &out, &out); err != nil {
		t.Fatal(err)
	}
	for _, setting := range Settings() {
		if !strings.Contains(out.String(), setting.Name) || !strings.Contains(out.String(), setting.Meaning) {
			t.Errorf("the help does not explain %s", setting.Name)
		}
	}
}
