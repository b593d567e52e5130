package usecase

import (
	"context"
	"crypto/sha256"
	"fmt"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
)

// Creation is a request for a new event.
type Creation struct {
	Offer  domain.Offer
	Author domain.Author
	Key    string // the caller's idempotency key; empty for none
}

// Create adds a new event to the line. For a known key it returns the event that was created under
// it, as it was at its creation, even if the same request would be refused by now because its
// deadline has passed.
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

// key returns the idempotency key in the scope of the caller and the operation, or nil.
func (c Creation) key() *ports.Key {
	if c.Key == "" {
		return nil
	}
	return &ports.Key{Scope: c.Author.Token + " createEvent", Text: c.Key, Fingerprint: fingerprint(c.Offer)}
}

// fingerprint hashes the values of an offer, not their notation: 1.5 equals 1.50.
func fingerprint(offer domain.Offer) [sha256.Size]byte {
	deadline := "default"
	if offer.Deadline != nil {
		deadline = fmt.Sprint(offer.Deadline.Unix())
	}
	return sha256.Sum256(fmt.Appendf(nil, "%s %s %s", offer.Coefficient, deadline, offer.Name))
}
