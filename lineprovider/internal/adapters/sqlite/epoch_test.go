package sqlite_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stavka.local/lineprovider/internal/adapters/sqlite"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/line"
)

const leap = 1 << 20

func TestLineContinuesAfterAnOrderlyStop(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	first := run(t, file, 3)
	equal(t, "the first generation", first.Epoch.Generation, 1)
	second := run(t, file, 1)
	equal(t, "the second run", numbersOf(second), numbers{first.Epoch, 4, 4})
	third := run(t, file, 1)
	equal(t, "the third run", numbersOf(third), numbers{first.Epoch, 5, 5})
}

func TestLineJumpsAfterACrash(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	first := crash(t, file, 3)
	second := crash(t, file, 1)
	equal(t, "after a crash", numbersOf(second), numbers{generation(first, 2), 3 + leap + 1, 3 + leap + 1})
	third := run(t, file, 1)
	equal(t, "after another", numbersOf(third), numbers{generation(first, 3), 4 + 2*leap + 1, 4 + 2*leap + 1})
	fourth := run(t, file, 1)
	equal(t, "after an orderly stop", numbersOf(fourth), numbers{generation(first, 3), 5 + 2*leap + 1, 5 + 2*leap + 1})
}

func TestLineJumpsWhenItsFileIsAnOlderCopy(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(t *testing.T, file string, events int) ports.Snapshot{
		"after an orderly stop": run,
		"after a crash":         crash,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := newFile(t)
			run(t, file, 3)
			copied, err := os.ReadFile(file)
			isError(t, "copy", err, nil)

			last := again(t, file, 2)
			for range 3 {
				previous := numbersOf(last)
				restore(t, file, copied)
				last = again(t, file, 2)
				is := numbersOf(last)
				if is.epoch.Dataset != previous.epoch.Dataset || is.epoch.Generation <= previous.epoch.Generation {
					t.Errorf("the epoch %s follows on %s", is.epoch, previous.epoch)
				}
				if is.seq-1 <= previous.seq || is.id-1 <= previous.id { // this is the second event
					t.Errorf("the numbers %+v follow on %+v", is, previous)
				}
			}
		})
	}
}

func TestLineJumpsWhenTheReceiptDiffers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		receipt    string // D is the data set
		generation int64
		first      int64 // number of the next run
	}{
		"older":               {"D.1:2", 2, 3 + leap + 1},
		"newer":               {"D.7:3000000", 8, 3_000_000 + leap + 1},
		"of another data set": {"0123456789abcdef.7:3000000", 2, 3 + leap + 1},
		"empty":               {"", 2, 3 + leap + 1},
		"without a number":    {"D.1:x", 2, 3 + leap + 1},
		"without an epoch":    {"3", 2, 3 + leap + 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := newFile(t)
			last := run(t, file, 3)
			put(t, file+".stopped", strings.Replace(c.receipt, "D", last.Epoch.Dataset, 1))
			equal(t, "the next run", numbersOf(run(t, file, 1)), numbers{generation(last, c.generation), c.first, c.first})
		})
	}
}

func TestReceiptExistsOnlyWhileTheLineIsClosed(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	s := openLine(t, sqlite.Options{File: file})
	last := create(t, s, 2)
	closeLine(t, s)
	equal(t, "the receipt", read(t, file+".stopped"), last.Epoch.String()+":2\n")
	s = openLine(t, sqlite.Options{File: file})
	defer closeLine(t, s)
	if _, err := os.Stat(file + ".stopped"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat the receipt of an open line: %v", err)
	}
}

func TestLineIsNotOpenedWhenItsReceiptCannotBeRead(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	first := run(t, file, 1)
	isError(t, "remove", os.Remove(file+".stopped"), nil)
	isError(t, "make a directory", os.Mkdir(file+".stopped", 0o700), nil)
	if s, err := sqlite.Open(t.Context(), sqlite.Options{File: file, Log: slog.New(slog.DiscardHandler)}); err == nil {
		closeLine(t, s)
		t.Error("the line was opened")
	}
	isError(t, "remove the directory", os.Remove(file+".stopped"), nil)
	equal(t, "the next run", numbersOf(run(t, file, 1)), numbers{generation(first, 2), 1 + leap + 1, 1 + leap + 1})
}

func TestGuestLeavesTheEpochAlone(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	owner := openLine(t, sqlite.Options{File: file})
	first := create(t, owner, 1)

	guest := openLine(t, sqlite.Options{File: file, Guest: true})
	held, err := guest.Hold(t.Context(), 0)
	equal(t, "the lease is the owner's", held, false)
	isError(t, "Hold", err, nil)
	equal(t, "a guest's event", numbersOf(create(t, guest, 1)), numbers{first.Epoch, 2, 2})
	closeLine(t, guest)
	if _, err := os.Stat(file + ".stopped"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat the receipt after a guest: %v", err)
	}

	page, err := owner.Unpublished(t.Context(), 10)
	isError(t, "Unpublished", err, nil)
	equal(t, "unpublished changes of the owner", len(page.Events), 2)
	equal(t, "the owner's next event", numbersOf(create(t, owner, 1)), numbers{first.Epoch, 3, 3})
	closeLine(t, owner)

	receipt := read(t, file+".stopped")
	guest = openLine(t, sqlite.Options{File: file, Guest: true})
	equal(t, "the last seq for a guest", head(t, guest).LastSeq, 3)
	closeLine(t, guest)
	equal(t, "the receipt after a guest", read(t, file+".stopped"), receipt)
	equal(t, "the next run", numbersOf(run(t, file, 1)), numbers{first.Epoch, 4, 4})
}

// A guest that writes after the owner has stopped makes the numbers jump, which is harmless.
func TestLineJumpsAfterALateGuest(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	first := run(t, file, 3)
	guest := openLine(t, sqlite.Options{File: file, Guest: true})
	create(t, guest, 1)
	closeLine(t, guest)
	equal(t, "the next run", numbersOf(run(t, file, 1)), numbers{generation(first, 2), 4 + leap + 1, 4 + leap + 1})
}

// numbers are the numbers of an event.
type numbers struct {
	epoch   line.Epoch
	seq, id int64
}

func numbersOf(s ports.Snapshot) numbers { return numbers{s.Epoch, s.Event.Seq, int64(s.Event.ID)} }

func generation(of ports.Snapshot, g int64) line.Epoch {
	return line.Epoch{Dataset: of.Epoch.Dataset, Generation: g}
}

// run opens a line, creates events, stops in an orderly way and returns the last event.
func run(t *testing.T, file string, events int) ports.Snapshot {
	t.Helper()
	s := openLine(t, sqlite.Options{File: file})
	defer closeLine(t, s)
	return create(t, s, events)
}

// crash is run without the orderly stop. It restores the files as they were before the stop, which is how a
// killed process leaves them.
func crash(t *testing.T, file string, events int) ports.Snapshot {
	t.Helper()
	s := openLine(t, sqlite.Options{File: file})
	last := create(t, s, events)
	left := map[string]string{}
	for _, path := range paths(t, file) {
		left[path] = read(t, path)
	}
	closeLine(t, s)
	for _, path := range paths(t, file) {
		isError(t, "remove", os.Remove(path), nil)
	}
	for path, text := range left {
		put(t, path, text)
	}
	return last
}

// paths returns the paths of a line's files.
func paths(t *testing.T, file string) []string {
	t.Helper()
	found, err := filepath.Glob(file + "*")
	if err != nil || len(found) == 0 {
		t.Fatal(found, err)
	}
	return found
}

// restore replaces a line's file by a copy, as an operator does.
func restore(t *testing.T, file string, copied []byte) {
	t.Helper()
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(file + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	put(t, file, string(copied))
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
