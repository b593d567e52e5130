package sqlite

import (
	"context"
	"iter"

	"stavka.local/lineprovider/internal/ports"
)

// Import does what Create does with each of the creations, in order, in one transaction:
// all of them are stored, or none. When the sequence yields an error, or ctx ends, it
// returns that error as it is. It tells how many events are new, and how many were created
// under their keys before.
//
// It holds one creation at a time. Nobody else writes meanwhile, so the sequence must not
// wait for somebody who does.
func (s *Store) Import(
	ctx context.Context, creations iter.Seq2[ports.Creation, error],
) (created, replayed int, err error) {
	var stopped error // by the sequence or the caller; not the store's to interpret
	err = s.write(ctx, func(working context.Context, tx *transaction) error {
		for c, err := range creations {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				stopped = err
				return err
			}
			result, err := tx.create(working, c)
			if err != nil {
				return err
			}
			if result.Replayed {
				replayed++
			} else {
				created++
			}
		}
		return nil
	})
	if stopped != nil {
		err = stopped
	}
	if err != nil {
		return 0, 0, err
	}
	return created, replayed, nil
}
