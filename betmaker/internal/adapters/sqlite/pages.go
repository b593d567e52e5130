package sqlite

import "iter"

// pageSize is how many rows are in memory at a time when there is no telling how many there are.
const pageSize = 1000

// paged goes through rows, of which page returns up to pageSize that come after a given
// one. It begins after the row first, which need not exist. An error ends it.
func paged[Row any](first Row, page func(last Row) ([]Row, error)) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for last := first; ; {
			rows, err := page(last)
			if err != nil {
				yield(last, err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
				last = row
			}
			if len(rows) < pageSize {
				return
			}
		}
	}
}
