package portstest

import (
	"sync/atomic"
	"testing"

	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/line"
)

// Cursors is the suite of ports.Cursors.
func Cursors(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"starts with nothing read":                     startsWithNothingRead,
		"moves only from its position":                 movesFromWhereItIs,
		"is moved once by readers of the same page":    isMovedOnce,
		"goes back when the line has a new generation": goesBack,
	})
}

func cursor(after int64) ports.Cursor {
	return ports.Cursor{Epoch: line.Epoch{Dataset: "D", Generation: 1}, After: after}
}

func readCursor(t *testing.T, s Stores) ports.Cursor {
	t.Helper()
	cursor, err := s.Cursors.Cursor(t.Context())
	ok(t, err)
	return cursor
}

func startsWithNothingRead(t *testing.T, s Stores) {
	equal(t, readCursor(t, s), ports.Cursor{})
}

func movesFromWhereItIs(t *testing.T, s Stores) {
	moved, err := s.Cursors.MoveCursor(t.Context(), cursor(1), cursor(2))
	ok(t, err)
	isTrue(t, !moved, "nothing has been read yet")
	equal(t, readCursor(t, s), ports.Cursor{})

	moved, err = s.Cursors.MoveCursor(t.Context(), ports.Cursor{}, cursor(10))
	ok(t, err)
	isTrue(t, moved, "the first move")
	equal(t, readCursor(t, s), cursor(10))

	otherEpoch := cursor(10)
	otherEpoch.Epoch.Generation++
	otherData := cursor(10)
	otherData.Epoch.Dataset = "E"
	for _, from := range []ports.Cursor{{}, cursor(9), otherEpoch, otherData} {
		moved, err = s.Cursors.MoveCursor(t.Context(), from, cursor(20))
		ok(t, err)
		isTrue(t, !moved, "the cursor is not at %+v", from)
	}
	equal(t, readCursor(t, s), cursor(10))
}

func isMovedOnce(t *testing.T, s Stores) {
	for page := range int64(20) {
		from := ports.Cursor{}
		if page > 0 {
			from = cursor(page)
		}
		var movers atomic.Int32
		together(t, 8, func(int) error {
			moved, err := s.Cursors.MoveCursor(t.Context(), from, cursor(page+1))
			if moved {
				movers.Add(1)
			}
			return err
		})
		equal(t, movers.Load(), 1)
		equal(t, readCursor(t, s), cursor(page+1))
	}
}

func goesBack(t *testing.T, s Stores) {
	_, err := s.Cursors.MoveCursor(t.Context(), ports.Cursor{}, cursor(10))
	ok(t, err)
	next := ports.Cursor{Epoch: line.Epoch{Dataset: "D", Generation: 2}}
	moved, err := s.Cursors.MoveCursor(t.Context(), cursor(10), next)
	ok(t, err)
	isTrue(t, moved, "to the start of the next generation")
	equal(t, readCursor(t, s), next)
}
