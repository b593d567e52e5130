package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/spf13/cobra"

	lineprovider "stavka.local/lineprovider/app"
	"stavka.local/shared/fault"
	"stavka.local/shared/progress"
	"stavka.local/shared/service"
	"stavka.local/stavka/internal/eventfile"
)

func (p *program) importCommand() *cobra.Command {
	return &cobra.Command{
		Use: "import FILE", Short: "Put the events of a file, .csv or .json, on the line",
		Long: `Put the events of a file on the line. The file is CSV with a header, or a JSON array of
objects. A row has a coefficient and may have a deadline (Unix seconds or RFC 3339) and
a name. Either all rows are imported or none, and the same file only once.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return importEvents(cmd, p.begin(cmd), args[0]) },
	}
}

// importEvents puts the events of a file on the line. It reads the file twice: first to find
// mistakes before anything is changed, then to import the events in one transaction.
func importEvents(cmd *cobra.Command, s settings, name string) error {
	format, err := eventfile.FormatOf(name)
	if err != nil {
		return err
	}
	file, err := os.Open(name) //nolint:gosec // the user names the file
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // nothing was written to it

	hash := sha256.New()
	rows := 0
	for _, err := range eventfile.Read(io.TeeReader(file, hash), format) {
		if err != nil {
			return fmt.Errorf("%s: nothing was imported: %w", name, err)
		}
		rows++
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	s, err = s.withDataDir()
	if err != nil {
		return err
	}
	_, config, err := s.configure(nil)
	if err != nil {
		return err
	}
	bar := progress.New(cmd.ErrOrStderr(), int64(rows), "importing", "events")
	line := 0 // of the last event that was read
	created, known, err := lineprovider.ImportEvents(cmd.Context(), config, hex.EncodeToString(hash.Sum(nil)),
		events(eventfile.Read(file, format), func(event eventfile.Event, n int64) {
			line = event.Line
			bar.Set(n)
		}))
	bar.Clear()
	if refused := fault.Find(err); refused != nil && refused.Kind == fault.Unprocessable {
		err = &eventfile.LineError{Line: line, Err: errors.New(refused.Detail)}
	}
	if err != nil {
		return fmt.Errorf("%s: nothing was imported: %w", name, err)
	}
	if known > 0 {
		return service.Printf(cmd.OutOrStdout(), "nothing to do: the %d events of this file have been imported already\n", known)
	}
	return service.Printf(cmd.OutOrStdout(), "events imported: %d\n", created)
}

// events converts rows to events of line-provider. It calls observe with each row and its number before
// it yields the event.
func events(rows iter.Seq2[eventfile.Event, error], observe func(event eventfile.Event, n int64)) iter.Seq2[lineprovider.NewEvent, error] {
	return func(yield func(lineprovider.NewEvent, error) bool) {
		n := int64(0)
		for row, err := range rows {
			n++
			observe(row, n)
			event := lineprovider.NewEvent{Coefficient: row.Coefficient, Deadline: row.Deadline, Name: row.Name}
			if !yield(event, err) {
				return
			}
		}
	}
}
