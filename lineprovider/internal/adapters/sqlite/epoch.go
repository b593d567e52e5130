package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"stavka.local/lineprovider/internal/adapters/sqlite/sqlitedb"
	"stavka.local/shared/line"
	"stavka.local/shared/sqlite"
)

// leap is how far the numbers jump into a new generation. Where they stood when somebody
// last saw them is not known: less than a leap beyond what is known, unless a run of the
// service has made a million changes.
const leap = 1 << 20

// position is where a line's numbers stand. Written down it is the name of the last change,
// "D.G:seq". The zero position is none.
type position struct {
	epoch line.Epoch
	seq   int64
}

func positionOf(row sqlitedb.Line) position {
	return position{line.Epoch{Dataset: row.Dataset, Generation: row.Generation}, row.LastSeq}
}

func (p position) String() string {
	return line.Change{Epoch: p.epoch, Event: line.Event{Seq: p.seq}}.MessageID()
}

// parsePosition returns the zero position for a text that is none.
func parsePosition(text string) position {
	before, after, _ := strings.Cut(text, ":")
	epoch, err := line.ParseEpoch(before)
	if err != nil {
		return position{}
	}
	seq, err := strconv.ParseInt(after, 10, 64)
	if err != nil {
		return position{}
	}
	return position{epoch, seq}
}

// resume decides how the line goes on and takes the receipt away: should this process not
// come to an orderly end, the next one must not find it. Until resume returns, no number
// has been given out.
func (s *Store) resume(ctx context.Context) error {
	stopped, err := readPosition(s.stoppedFile())
	if err != nil {
		return err
	}
	started, err := readPosition(s.startedFile())
	if err != nil {
		return err
	}
	var before, after sqlitedb.Line
	err = s.db.Write(ctx, func(ctx context.Context, conn sqlite.Conn) (err error) {
		before, after, err = resume(ctx, sqlitedb.New(conn), stopped, started)
		return err
	})
	if err != nil {
		return fmt.Errorf("resume the line: %w", err)
	}
	if after != before {
		s.log.WarnContext(ctx, "the line goes on in a new generation: it was not stopped in an orderly way, or its file was replaced",
			"was", positionOf(before).String(), "is", positionOf(after).String())
	}
	if err := writePosition(s.startedFile(), positionOf(after)); err != nil {
		return err
	}
	return removePosition(s.stoppedFile())
}

// resume returns the line as it was found, or made, and as it goes on.
func resume(
	ctx context.Context, queries *sqlitedb.Queries, stopped, started position,
) (before, after sqlitedb.Line, err error) {
	row, err := queries.Line(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		row, err = queries.AddLine(ctx, randomName())
		return row, row, err
	}
	if err != nil || positionOf(row) == stopped {
		return row, row, err
	}
	jumped := jump(row, stopped, started)
	return row, jumped, save(ctx, queries, jumped)
}

// jump returns the line in a generation that has not been there yet, with numbers that have
// not been given out: not those that the file knows of and, when it is an older copy, not
// those that the known positions tell of. Each id was given out together with a seq, so the
// file has forgotten no more of them.
func jump(row sqlitedb.Line, known ...position) sqlitedb.Line {
	seq := row.LastSeq
	for _, p := range known {
		if p.epoch.Dataset == row.Dataset {
			row.Generation = max(row.Generation, p.epoch.Generation)
			seq = max(seq, p.seq)
		}
	}
	forgotten := seq - row.LastSeq
	row.Generation++
	row.LastSeq += forgotten + leap
	row.LastID += forgotten + leap
	return row
}

// leaveReceipt leaves the receipt of an orderly end. It reads from the file where the
// numbers stand, which after a disk has failed in a commit is refused: nobody knows. What
// keeps it from leaving one only makes the numbers jump, and so does a guest who writes
// later.
func (s *Store) leaveReceipt() {
	ctx, cancel := detach(context.Background())
	defer cancel()
	err := s.read(ctx, func(_ context.Context, tx *transaction) error {
		return writePosition(s.stoppedFile(), positionOf(tx.line))
	})
	if err != nil {
		s.log.WarnContext(ctx, "no receipt of an orderly end could be left: the next start begins a new generation of the line",
			"error", err)
	}
}

func (s *Store) startedFile() string { return s.file + ".started" }

func (s *Store) stoppedFile() string { return s.file + ".stopped" }

// readPosition returns what is in a file, or the zero position when that is none: no more
// follows from it than from no file.
func readPosition(path string) (position, error) {
	text, err := os.ReadFile(path) //nolint:gosec // beside the operator's own file
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return position{}, err
	}
	return parsePosition(strings.TrimSpace(string(text))), nil
}

// writePosition puts a position into a file, which then holds the one before or this one,
// whatever happens.
func writePosition(path string, p position) error {
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // likewise
	if err != nil {
		return err
	}
	_, err = file.WriteString(p.String() + "\n")
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDirectory(path)
}

func removePosition(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDirectory(path)
}

// syncDirectory makes the name of a file as durable as what is in it.
func syncDirectory(path string) error {
	directory, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// randomName returns 16 hexadecimal digits that nobody has used before.
func randomName() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("%x", random)
}
