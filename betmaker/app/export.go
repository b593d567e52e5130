package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"stavka.local/betmaker/internal/adapters/httpapi"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/progress"
	"stavka.local/shared/service"
)

// exportFormat is a flag for the format of exported bets. It implements pflag.Value.
type exportFormat string

// The formats. Both have the members of the API's bets, in the same spelling.
const (
	exportCSV  exportFormat = "csv"  // RFC 4180 with a header; null is empty
	exportJSON exportFormat = "json" // an array
)

// Set implements pflag.Value.
func (f *exportFormat) Set(text string) error {
	switch *f = exportFormat(text); *f {
	case exportCSV, exportJSON:
		return nil
	default:
		return errors.New("it is neither csv nor json")
	}
}

// String implements pflag.Value.
func (f *exportFormat) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *exportFormat) Type() string { return "format" }

// BetsCommand returns the command group bets.
func BetsCommand(configure service.Configure[Config]) *cobra.Command {
	format := exportCSV
	export := configure.Command("export", "Write all bets to the standard output", func(cmd *cobra.Command, c Config) error {
		var bar progress.Bar
		defer func() { bar.Clear() }()
		begun := false
		return exportBets(cmd.Context(), c, format, cmd.OutOrStdout(), func(done, total int64) {
			if !begun {
				begun, bar = true, progress.New(cmd.ErrOrStderr(), total, "exporting", "bets")
			}
			bar.Set(done)
		})
	})
	export.Flags().Var(&format, "format", "the `FORMAT`, csv or json")
	return service.Group("bets", "Export bets", export)
}

// exportPage is the number of bets that are read at a time.
const exportPage = 1000

// exportBets writes all bets that exist when it starts to w, the newest first, each in its state
// when it is read. It holds one page of them at a time. The store may be in use meanwhile. observe
// is called after each page with the number of bets done and to do, counted by their ids.
func exportBets(ctx context.Context, c Config, format exportFormat, w io.Writer, observe func(done, total int64)) (err error) {
	store, err := openStore(ctx, c, true, slog.Default())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.close()) }()
	buffer := bufio.NewWriter(w)
	out, err := newBetWriter(format, buffer)
	if err != nil {
		return err
	}

	var filter ports.BetFilter
	for newest := int64(0); ; {
		bets, err := store.Bets.List(ctx, filter, exportPage)
		if err != nil {
			return err
		}
		for _, bet := range bets {
			text, err := json.Marshal(httpapi.WireBet(bet))
			if err == nil {
				err = out.write(text)
			}
			if err != nil {
				return fmt.Errorf("write bet %d: %w", bet.ID, err)
			}
		}
		if len(bets) < exportPage {
			break
		}
		filter.Before = bets[len(bets)-1].ID
		newest = max(newest, int64(bets[0].ID))
		observe(newest-int64(filter.Before)+1, newest)
	}
	return errors.Join(out.end(), buffer.Flush())
}

// betWriter writes bets, which are given in JSON, in turn.
type betWriter interface {
	write(bet []byte) error
	end() error
}

func newBetWriter(format exportFormat, w io.Writer) (betWriter, error) {
	if format == exportJSON {
		return &jsonBets{w: w, before: "[\n"}, nil
	}
	rows := csv.NewWriter(w)
	return csvBets{rows}, rows.Write(betColumns)
}

// betColumns are the columns of CSV: the members of the API's bets.
var betColumns = []string{
	"id", "event_id", "user_id", "amount", "coefficient", "event_version", "status", "potential_payout", "payout",
	"settle_revision", "void_reason", "created_at", "settled_at",
}

type csvBets struct{ rows *csv.Writer }

func (c csvBets) write(bet []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(bet))
	decoder.UseNumber() // which keeps the digits
	var members map[string]any
	if err := decoder.Decode(&members); err != nil {
		return err
	}
	row := make([]string, len(betColumns))
	for i, name := range betColumns {
		if value := members[name]; value != nil {
			row[i] = fmt.Sprint(value)
		}
	}
	return c.rows.Write(row)
}

func (c csvBets) end() error {
	c.rows.Flush()
	return c.rows.Error()
}

type jsonBets struct {
	w      io.Writer
	before string // text before the next bet
}

func (j *jsonBets) write(bet []byte) error {
	_, err := fmt.Fprintf(j.w, "%s%s", j.before, bet)
	j.before = ",\n"
	return err
}

func (j *jsonBets) end() error {
	closing := "\n]\n"
	if j.before != ",\n" {
		closing = "[]\n"
	}
	_, err := io.WriteString(j.w, closing)
	return err
}
