package sqlite_test

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"testing"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
)

func TestImport(t *testing.T) {
	t.Parallel()
	s := open(t, newFile(t))
	create(t, s, 1)
	created, replayed, err := s.Import(t.Context(), rows(t, 20))
	isError(t, "Import", err, nil)
	equal(t, "created and replayed", [2]int{created, replayed}, [2]int{20, 0})
	page, err := s.Changes(t.Context(), 20, 10)
	isError(t, "Changes", err, nil)
	equal(t, "last seq", page.LastSeq, 21)
	equal(t, "the last event's id", page.Events[0].ID, 21)
	history, err := s.History(t.Context(), ports.HistoryQuery{ID: 21, Limit: 1})
	isError(t, "History", err, nil)
	equal(t, "the author in its history", history.Entries[0].Author.Actor, "import")

	created, replayed, err = s.Import(t.Context(), rows(t, 22))
	isError(t, "the same and two more", err, nil)
	equal(t, "created and replayed", [2]int{created, replayed}, [2]int{2, 20})
	equal(t, "last seq", head(t, s).LastSeq, 23)
}

func TestImportStopsAtAnError(t *testing.T) {
	t.Parallel()
	s := open(t, newFile(t))
	errRow := errors.New("row 500 cannot be read")
	created, replayed, err := s.Import(t.Context(), until(500, errRow, rows(t, 600)))
	if err != errRow { //nolint:errorlint // unchanged
		t.Errorf("got error %v, want %v", err, errRow)
	}
	equal(t, "created and replayed", [2]int{created, replayed}, [2]int{0, 0})
	isEmpty(t, s)
	created, replayed, err = s.Import(t.Context(), rows(t, 20))
	isError(t, "Import under keys that are free again", err, nil)
	equal(t, "created and replayed", [2]int{created, replayed}, [2]int{20, 0})
}

func TestImportStopsAtAKeyOfAnotherRequest(t *testing.T) {
	t.Parallel()
	s := open(t, newFile(t))
	other := creation(t, "10")
	other.Key.Fingerprint[0]++
	_, err := s.Create(t.Context(), other)
	isError(t, "Create", err, nil)
	before := head(t, s)
	_, _, err = s.Import(t.Context(), rows(t, 20))
	isError(t, "Import", err, domain.ErrKeyReused)
	equal(t, "afterwards", head(t, s), before)
}

func TestImportStopsWithItsCaller(t *testing.T) {
	t.Parallel()
	s := open(t, newFile(t))
	ctx, cancel := context.WithCancel(t.Context())
	_, _, err := s.Import(ctx, func(yield func(ports.Creation, error) bool) {
		for c, err := range rows(t, 20) {
			if c.Key.Text == "10" {
				cancel()
			}
			if !yield(c, err) {
				return
			}
		}
	})
	isError(t, "Import", err, context.Canceled)
	isEmpty(t, s)
}

func isEmpty(t *testing.T, s ports.Store) {
	t.Helper()
	page, err := s.Changes(t.Context(), 0, 1)
	isError(t, "Changes", err, nil)
	equal(t, "events and the last seq", [2]int64{int64(len(page.Events)), page.LastSeq}, [2]int64{0, 0})
}

// rows returns creations with the keys 1 to n.
func rows(t *testing.T, n int) iter.Seq2[ports.Creation, error] {
	t.Helper()
	return func(yield func(ports.Creation, error) bool) {
		for i := range n {
			c := creation(t, strconv.Itoa(i+1))
			c.Author.Actor = "import"
			if !yield(c, nil) {
				return
			}
		}
	}
}

// until yields err instead of the n-th row.
func until(n int, err error, rows iter.Seq2[ports.Creation, error]) iter.Seq2[ports.Creation, error] {
	return func(yield func(ports.Creation, error) bool) {
		i := 0
		for c, none := range rows {
			if i++; i == n {
				yield(ports.Creation{}, err)
				return
			}
			if !yield(c, none) {
				return
			}
		}
	}
}
