package sqlite_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/lineprovider/internal/adapters/sqlite"
	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/lineprovider/internal/ports/portstest"
	"stavka.local/shared/odds"
	sqlitefile "stavka.local/shared/sqlite"
)

func TestStore(t *testing.T) {
	t.Parallel()
	portstest.Run(t, func(t *testing.T) portstest.Line {
		t.Helper()
		s := open(t, newFile(t))
		return portstest.Line{Open: func() ports.Store { return s }, Exclusive: true}
	})
}

func TestFileBelongsToOneProcess(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	open(t, file)
	_, err := sqlite.Open(t.Context(), sqlite.Options{File: file, Log: slog.New(slog.DiscardHandler)})
	isError(t, "another owner", err, sqlitefile.ErrInUse)
}

func TestWriteContinuesWithoutItsCaller(t *testing.T) {
	t.Parallel()
	s := open(t, newFile(t))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	c := creation(t, "k")
	created, err := s.Create(gone, c)
	isError(t, "Create", err, nil)
	recalled, err := s.Recall(gone, *c.Key)
	isError(t, "Recall", err, nil)
	created.Replayed = true
	equal(t, "recalled", recalled, created)
	changed, err := s.Apply(gone, suspend(t, created.Snapshot))
	isError(t, "Apply", err, nil)
	read, err := s.Event(t.Context(), created.Event.ID)
	isError(t, "Event", err, nil)
	equal(t, "read", read, changed)

	_, err = s.Event(gone, created.Event.ID)
	isError(t, "reading without the caller", err, domain.ErrUnavailable)
}

// The time to wait is virtual; the file is real.
func TestWriteWaitsForABoundedTime(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	synctest.Test(t, func(t *testing.T) {
		s, err := sqlite.Open(t.Context(), sqlite.Options{File: file, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		writing, done, imported := make(chan struct{}), make(chan struct{}), make(chan error)
		go func() {
			_, _, err := s.Import(t.Context(), func(yield func(ports.Creation, error) bool) {
				close(writing)
				<-done
				yield(creation(t, "1"), nil)
			})
			imported <- err
		}()
		<-writing
		began := time.Now()
		_, err = s.Create(t.Context(), creation(t, "2"))
		isError(t, "Create", err, domain.ErrUnavailable)
		equal(t, "the wait", time.Since(began), 5*time.Second)
		close(done)
		isError(t, "Import", <-imported, nil)
		_, err = s.Create(t.Context(), creation(t, "2"))
		isError(t, "Create, afterwards", err, nil)
		isError(t, "Close", s.Close(), nil)
	})
}

// now is the time in the tests.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var rules = domain.Rules{MinimumDuration: time.Hour, MaxCoefficient: odds.MustParse("1000.00")}

func newFile(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "line.db")
}

// open opens a line. It is closed when the test ends.
func open(t *testing.T, file string) *sqlite.Store {
	t.Helper()
	s := openLine(t, sqlite.Options{File: file})
	t.Cleanup(func() { closeLine(t, s) })
	return s
}

func openLine(t *testing.T, o sqlite.Options) *sqlite.Store {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	s, err := sqlite.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeLine(t *testing.T, s *sqlite.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func creation(t *testing.T, key string) ports.Creation {
	t.Helper()
	change, err := domain.Open(now, domain.Offer{Coefficient: odds.MustParse("1.45")}, rules)
	if err != nil {
		t.Fatal(err)
	}
	return ports.Creation{Change: change, Key: &ports.Key{Scope: "test", Text: key}}
}

func suspend(t *testing.T, from ports.Snapshot) ports.Update {
	t.Helper()
	change, err := from.Event.Amend(now.Add(time.Second), domain.Amendment{Suspended: new(true)}, rules)
	if err != nil {
		t.Fatal(err)
	}
	return ports.Update{Epoch: from.Epoch, Change: change}
}

// create creates n events without a key and returns the last.
func create(t *testing.T, s *sqlite.Store, n int) ports.Snapshot {
	t.Helper()
	var last ports.Created
	for range n {
		c := creation(t, "")
		c.Key = nil
		var err error
		if last, err = s.Create(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	return last.Snapshot
}

func head(t *testing.T, s *sqlite.Store) ports.Head {
	t.Helper()
	h, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func isError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}
