package service_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"stavka.local/shared/service"
)

var errBroken = errors.New("broken")

// newProgram returns a program whose commands write their names.
func newProgram() *cobra.Command {
	write := func(cmd *cobra.Command, _ []string) error {
		return service.Printf(cmd.OutOrStdout(), "%s\n", cmd.CommandPath())
	}
	list := &cobra.Command{Use: "list", Short: "List things", Args: cobra.NoArgs, RunE: write}
	list.Flags().Int("limit", 10, "the most `THINGS` to list")
	return service.NewCommand(service.Program{
		Name: "prog", Description: "prog is a program.\n",
		Serve: func(cmd *cobra.Command) error { return write(cmd, nil) },
		Commands: []*cobra.Command{
			service.Group("things", "Handle things", list, &cobra.Command{
				Use: "break", Short: "Break things", RunE: func(*cobra.Command, []string) error { return errBroken },
			}),
		},
	})
}

func TestRun(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"": "prog\n", "serve": "prog serve\n", "things list": "prog things list\n", "things list --limit 3": "prog things list\n",
	} {
		var out bytes.Buffer
		if err := service.Run(t.Context(), newProgram(), strings.Fields(line), &out, t.Output()); err != nil || out.String() != want {
			t.Errorf("%q: got %q %v, want %q", line, out.String(), err, want)
		}
	}
	for _, line := range []string{"--help", "-h", "help", "help things list", "things list -h", "things -h", "version"} {
		var out bytes.Buffer
		if err := service.Run(t.Context(), newProgram(), strings.Fields(line), &out, t.Output()); err != nil || out.Len() == 0 {
			t.Errorf("%q: got %q %v", line, out.String(), err)
		}
	}
}

func TestRunReturnsUsageErrors(t *testing.T) {
	t.Parallel()
	for line, hint := range map[string]string{
		"fly": "; see prog --help", "--fly": "; see prog --help", "serve now": "; see prog serve --help", "things": "; see prog things --help",
		"things fly": "; see prog things --help", "things list --limit x": "; see prog things list --help", "version 2": "; see prog version --help",
		"help fly": "; see prog --help", "help things fly": "; see prog --help",
	} {
		err := service.Run(t.Context(), newProgram(), strings.Fields(line), io.Discard, io.Discard)
		if _, ok := errors.AsType[*service.UsageError](err); !ok || !strings.HasSuffix(err.Error(), hint) || strings.Count(err.Error(), "; see") != 1 {
			t.Errorf("%q: got %v, want a usage error that ends in %q", line, err, hint)
		}
	}
	err := service.Run(t.Context(), newProgram(), []string{"things", "break"}, io.Discard, io.Discard)
	if _, ok := errors.AsType[*service.UsageError](err); ok || !errors.Is(err, errBroken) {
		t.Errorf("got %v, want the command's own error", err)
	}
}

func TestWriteReference(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := service.WriteReference(&out, newProgram()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"## prog\n\nprog is a program.\n", "### prog things list\n\nList things.\n", "--limit THINGS   the most THINGS to list (default 10)\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
