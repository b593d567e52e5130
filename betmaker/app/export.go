package app

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"stavka.local/betmaker/internal/adapters/httpapi"
	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/ports"
)

// ExportFormat is how bets are written.
type ExportFormat string

// The formats. Both have the members of the API's bets, in the same spelling.
const (
	ExportCSV  ExportFormat = "csv"  // RFC 4180 with a header; what is null there is empty here
	ExportJSON ExportFormat = "json" // an array
)

// exportPage is how many bets are read at a time.
const exportPage = 1000

// ExportBets writes all bets there are at its start to w, the newest first, each as it is
// when it is read. It holds some of them at a time. The store may be in use meanwhile. progress
// is told, now and then, how many of how many are done, by their ids.
func ExportBets(ctx context.Context, c Config, format ExportFormat, w io.Writer, progress func(done, total int64)) (err error) {
	buffer := bufio.NewWriter(w)
	out, err := newBetWriter(format, buffer)
	if err != nil {
		return err
	}
	store, err := openStore(ctx, c, asGuest, slog.Default())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.close()) }()

	var filter ports.BetFilter
	for newest := int64(0); ; {
		bets, err := store.Bets.List(ctx, filter, exportPage)
		if err != nil {
			return explain(err)
		}
		for _, bet := range bets {
			if err := out.write(httpapi.WireBet(bet)); err != nil {
				return fmt.Errorf("write bet %d: %w", bet.ID, err)
			}
		}
		if len(bets) < exportPage {
			break
		}
		filter.Before = bets[len(bets)-1].ID
		newest = max(newest, int64(bets[0].ID))
		progress(newest-int64(filter.Before)+1, newest)
	}
	return errors.Join(out.end(), buffer.Flush())
}

// betWriter writes bets one after the other.
type betWriter interface {
	write(bet oapi.Bet) error
	end() error
}

func newBetWriter(format ExportFormat, w io.Writer) (betWriter, error) {
	switch format {
	case ExportCSV:
		rows := csv.NewWriter(w)
		return csvBets{rows}, rows.Write([]string{
			"id", "event_id", "user_id", "amount", "coefficient", "event_version", "status", "potential_payout", "payout",
			"settle_revision", "void_reason", "created_at", "settled_at",
		})
	case ExportJSON:
		return &jsonBets{w: w, before: "[\n"}, nil
	default:
		return nil, fmt.Errorf("the format %.20q is neither %s nor %s", format, ExportCSV, ExportJSON)
	}
}

type csvBets struct{ rows *csv.Writer }

func (c csvBets) write(b oapi.Bet) error {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	instant := func(t time.Time) string { return t.Format(time.RFC3339Nano) }
	var payout, voidReason, settledAt string
	if b.Payout != nil {
		payout = b.Payout.String()
	}
	if b.VoidReason != nil {
		voidReason = *b.VoidReason
	}
	if b.SettledAt != nil {
		settledAt = instant(*b.SettledAt)
	}
	return c.rows.Write([]string{
		number(b.ID), number(b.EventID), number(b.UserID), b.Amount.String(), b.Coefficient.String(), number(b.EventVersion),
		string(b.Status), b.PotentialPayout.String(), payout, number(b.SettleRevision), voidReason, instant(b.CreatedAt), settledAt,
	})
}

func (c csvBets) end() error {
	c.rows.Flush()
	return c.rows.Error()
}

type jsonBets struct {
	w      io.Writer
	before string // the next bet
}

func (j *jsonBets) write(b oapi.Bet) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(j.w, "%s%s", j.before, text)
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
