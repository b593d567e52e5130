package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	betmaker "stavka.local/betmaker/app"
	lineprovider "stavka.local/lineprovider/app"
	"stavka.local/shared/fault"
	"stavka.local/stavka/internal/eventfile"
	"stavka.local/stavka/internal/progress"
)

// importEvents puts the events of a file on the line. It reads the file twice: once to
// look for mistakes, so that a bad row is told before anything is begun, and once to
// import it, in one transaction.
func (p *program) importEvents(ctx context.Context, args []string) error {
	rest, err := p.parse(p.flags("events import"), args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return misused("events import takes one file, got %d", len(rest))
	}
	p.logTo(p.stderr)
	format, err := eventfile.FormatOf(rest[0])
	if err != nil {
		return err
	}
	file, err := os.Open(rest[0])
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // nothing was written to it

	hash := sha256.New()
	rows := 0
	for _, err := range eventfile.Read(io.TeeReader(file, hash), format) {
		if err != nil {
			return fmt.Errorf("%s: nothing was imported: %w", rest[0], err)
		}
		rows++
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	settings, err := p.withDataDir()
	if err != nil {
		return err
	}
	_, config, err := settings.configure(nil)
	if err != nil {
		return err
	}
	bar := progress.New(p.stderr, int64(rows), "importing", "events")
	line := 0 // of the last event that was read
	created, known, err := lineprovider.ImportEvents(ctx, config, hex.EncodeToString(hash.Sum(nil)),
		events(eventfile.Read(file, format), func(event eventfile.Event, n int64) {
			line = event.Line
			bar.Set(n)
		}))
	bar.Clear()
	if refused := fault.Find(err); refused != nil && refused.Kind == fault.Unprocessable {
		err = &eventfile.LineError{Line: line, Err: errors.New(refused.Detail)}
	}
	if err != nil {
		return fmt.Errorf("%s: nothing was imported: %w", rest[0], err)
	}
	if known > 0 {
		return write(p.stdout, fmt.Sprintf("nothing to do: the %d events of this file have been imported already\n", known))
	}
	return write(p.stdout, fmt.Sprintf("events imported: %d\n", created))
}

// events hands rows over to line-provider, and tells of each before that.
func events(rows iter.Seq2[eventfile.Event, error], tell func(event eventfile.Event, n int64)) iter.Seq2[lineprovider.NewEvent, error] {
	return func(yield func(lineprovider.NewEvent, error) bool) {
		n := int64(0)
		for row, err := range rows {
			n++
			tell(row, n)
			event := lineprovider.NewEvent{Coefficient: row.Coefficient, Deadline: row.Deadline, Name: row.Name}
			if !yield(event, err) {
				return
			}
		}
	}
}

// exportBets writes all bets to the standard output.
func (p *program) exportBets(ctx context.Context, args []string) error {
	set := p.flags("bets export")
	format := set.String("format", string(betmaker.ExportCSV), "`csv` or json")
	rest, err := p.parse(set, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return misused("bets export takes no argument, got %q", rest[0])
	}
	switch betmaker.ExportFormat(*format) {
	case betmaker.ExportCSV, betmaker.ExportJSON:
	default:
		return misused("--format is csv or json, not %q", *format)
	}
	p.logTo(p.stderr)
	p.secretKey = noSecretKey
	config, _, err := p.configure(nil)
	if err != nil {
		return err
	}
	var bar progress.Bar
	begun := false
	err = betmaker.ExportBets(ctx, config, betmaker.ExportFormat(*format), p.stdout, func(done, total int64) {
		if !begun {
			begun, bar = true, progress.New(p.stderr, total, "exporting", "bets")
		}
		bar.Set(done)
	})
	bar.Clear()
	return err
}

// verifyLedger checks the ledger, and writes what it has found to the standard output.
func (p *program) verifyLedger(ctx context.Context, args []string) error {
	set := p.flags("ledger verify")
	text := set.String("head", "", "a seal that must be there, `N:HASH`, as a verification or the log has shown it")
	rest, err := p.parse(set, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return misused("ledger verify takes no argument, got %q", rest[0])
	}
	var head betmaker.LedgerHead
	if *text != "" {
		if head, err = betmaker.ParseLedgerHead(*text); err != nil {
			return misused("--head: %s", err)
		}
	}
	p.logTo(p.stderr)
	p.secretKey = noSecretKey
	config, _, err := p.configure(nil)
	if err != nil {
		return err
	}
	return betmaker.VerifyLedger(ctx, config, head, p.stdout, p.stderr)
}
