package usecase

import (
	"context"
	"crypto/sha256"
	"fmt"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
)

// Creation asks for a new event.
type Creation struct {
	Offer  domain.Offer
	Author domain.Author
	Key    string // the caller's idempotency key; empty for none
}

// Create puts a new event on the line. Under a key that created one before it
// returns that one, as it was created: also when the same request would be refused
// by now, because its deadline is over.
//
// domain.ErrCoefficient, domain.ErrDeadlineInPast: see domain.Open.
// domain.ErrKeyReused: the key belongs to a request with other content.
func (l *Line) Create(ctx context.Context, c Creation) (ports.Created, error) {
	key := c.key()
	if key != nil {
		earlier, err := l.Store.Recall(ctx, *key)
		if err != nil || earlier.Replayed {
			return earlier, err
		}
	}
	change, err := domain.Open(l.now(), c.Offer, l.Rules)
	if err != nil {
		return ports.Created{}, err
	}
	created, err := l.Store.Create(ctx, ports.Creation{Change: change, Author: c.Author, Key: key})
	if err != nil {
		return ports.Created{}, err
	}
	if !created.Replayed {
		l.committed()
	}
	return created, nil
}

// key is the caller's key within the scope of the caller and the operation.
func (c Creation) key() *ports.Key {
	if c.Key == "" {
		return nil
	}
	return &ports.Key{Scope: c.Author.Token + " createEvent", Text: c.Key, Fingerprint: fingerprint(c.Offer)}
}

// fingerprint is of what was asked for, not of how it was written: 1.5 is 1.50.
func fingerprint(offer domain.Offer) [sha256.Size]byte {
	deadline := "default"
	if offer.Deadline != nil {
		deadline = fmt.Sprint(offer.Deadline.Unix())
	}
	return sha256.Sum256(fmt.Appendf(nil, "%s %s %s", offer.Coefficient, deadline, offer.Name))
}
