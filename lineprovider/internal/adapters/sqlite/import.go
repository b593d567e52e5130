package sqlite

import (
	"context"
	"iter"

	"stavka.local/lineprovider/internal/ports"
)

// Import creates events as Create does, in order and in one transaction: it stores all of them or none.
// It returns how many events are new, and how many had been created with their keys before. If the
// sequence yields an error, or ctx ends, Import returns that error unchanged.
//
// It holds one creation in memory at a time. It is the only writer meanwhile, so the sequence must not
// wait for another writer.
func (s *Store) Import(
	ctx context.Context, creations iter.Seq2[ports.Creation, error],
) (created, replayed int, err error) {
	var stopped error // of the sequence or of ctx, which must not be interpreted
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
