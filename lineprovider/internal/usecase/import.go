package usecase

import (
	"context"
	"iter"
	"strconv"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
)

// importActor is the actor of an imported event in its history.
const importActor = "import"

// Import adds many events to the line in one step.
type Import struct {
	Store interface {
		ports.Importer
		Recall(ctx context.Context, key ports.Key) (ports.Created, error)
	}
	Rules domain.Rules
	Now   func() time.Time
}

// Run creates all events of a batch. When one of them is refused, or events yields an error, Run
// creates none and returns that error unchanged. batch is the name of the batch: Run does not
// create a batch again that was imported under the same name.
//
// domain.ErrCoefficient, domain.ErrDeadlineInPast: see domain.Open. They are about the event that
// was yielded last.
// domain.ErrKeyReused: the name belongs to another batch.
func (i Import) Run(ctx context.Context, batch string, events iter.Seq2[domain.Offer, error]) (created, replayed int, err error) {
	now := i.Now().UTC().Truncate(time.Second)
	creations := func(yield func(ports.Creation, error) bool) {
		n, known := 0, false
		for offer, err := range events {
			n++
			creation := ports.Creation{
				Author: domain.Author{Actor: importActor},
				Key:    &ports.Key{Scope: importActor + " " + batch, Text: strconv.Itoa(n), Fingerprint: fingerprint(offer)},
			}
			if err == nil && n == 1 {
				var first ports.Created
				first, err = i.Store.Recall(ctx, *creation.Key)
				known = first.Replayed
			}
			// Events that were accepted before are not checked again: deadlines pass, rules change.
			if err == nil && !known {
				creation.Change, err = domain.Open(now, offer, i.Rules)
			}
			if !yield(creation, err) || err != nil {
				return
			}
		}
	}
	return i.Store.Import(ctx, creations)
}
