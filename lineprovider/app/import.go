package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"stavka.local/lineprovider/internal/adapters/sqlite"
	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/usecase"
	"stavka.local/shared/odds"
	"stavka.local/shared/service"
	sqlitefile "stavka.local/shared/sqlite"
)

// NewEvent is an event for the line.
type NewEvent struct {
	Coefficient odds.Decimal
	Deadline    time.Time // in whole seconds; zero for MINIMUM_EVENT_DURATION from now
	Name        string    // at most 200 characters, none of them a control character; may be empty
}

// MaxBesideServing is the most events that one import may add to a file from which a line-provider
// serves. That many keep bet-maker busy for a few seconds.
const MaxBesideServing = 2000

// ErrTooManyBesideServing is returned for more events than MaxBesideServing.
var ErrTooManyBesideServing = fmt.Errorf(
	"more than %d events are not imported while an instance serves from the same directory: stop it, or import them in parts", MaxBesideServing)

// ImportEvents puts events into the file of an embedded line-provider, which may be serving from
// it: all of them or, when the sequence yields an error or the line refuses an event, none. batch
// names the import. Events that were imported under the same name before are not created again;
// they are counted as known.
//
// Beside a line-provider that serves, it imports no more than MaxBesideServing events: other
// changes, including those that close events, wait behind them on the way to bet-maker.
//
// Errors: ErrTooManyBesideServing; the error that the sequence yielded, unwrapped; a
// fault.Unprocessable with the reason why the line refuses the event that was yielded last; any other
// error means that the file cannot be used.
func ImportEvents(ctx context.Context, c Config, batch string, events iter.Seq2[NewEvent, error]) (created, known int, err error) {
	file := sqlite.Options{File: service.File(c.StoreURL), Log: slog.Default()}
	store, err := sqlite.Open(ctx, file)
	if errors.Is(err, sqlitefile.ErrInUse) {
		file.Guest = true
		store, err = sqlite.Open(ctx, file)
	}
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	offers := func(yield func(domain.Offer, error) bool) {
		n := 0
		for event, err := range events {
			if n++; err == nil && file.Guest && n > MaxBesideServing {
				err = ErrTooManyBesideServing
			}
			offer := domain.Offer{Coefficient: event.Coefficient, Name: event.Name}
			if !event.Deadline.IsZero() {
				offer.Deadline = &event.Deadline
			}
			if !yield(offer, err) {
				return
			}
		}
	}
	return usecase.Import{Store: store, Rules: c.Rules, Now: time.Now}.Run(ctx, batch, offers)
}
