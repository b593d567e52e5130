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

// leap is how far the numbers jump at the start of a new generation. The last numbers of the old one may
// be unknown. They are less than a leap above the known ones unless one run of the service has made a
// million changes.
const leap = 1 << 20

// position is the epoch and the last seq of a line. Its text is the name of the last change, "D.G:seq".
// The zero position means none.
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

// parsePosition parses a position. It returns the zero position for an invalid text.
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

// resume decides whether the line continues its generation. It removes the receipt: if this process does
// not stop in an orderly way, the next one must not find it. No number is assigned before resume returns.
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
		s.log.WarnContext(ctx, "the line continues in a new generation: it was not stopped in an orderly way, or its file was replaced",
			"was", positionOf(before).String(), "is", positionOf(after).String())
	}
	if err := writePosition(s.startedFile(), positionOf(after)); err != nil {
		return err
	}
	return removePosition(s.stoppedFile())
}

// resume reads the line, or creates it. It returns the line as it was and as it continues.
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

// jump returns the line in a new generation, above all numbers that have been assigned: those in the file
// and, if the file is an older copy, those in the known positions. Each id was assigned with a seq, so the
// file lacks at most as many ids as seqs.
func jump(row sqlitedb.Line, known ...position) sqlitedb.Line {
	seq := row.LastSeq
	for _, p := range known {
		if p.epoch.Dataset == row.Dataset {
			row.Generation = max(row.Generation, p.epoch.Generation)
			seq = max(seq, p.seq)
		}
	}
	missing := seq - row.LastSeq
	row.Generation++
	row.LastSeq += missing + leap
	row.LastID += missing + leap
	return row
}

// leaveReceipt writes the receipt of an orderly stop. It reads the numbers from the file. That fails
// after the disk has failed in a commit, since the numbers are then unknown. Without a receipt the numbers
// jump at the next start, and so they do if a guest writes after this.
func (s *Store) leaveReceipt() {
	ctx, cancel := detach(context.Background())
	defer cancel()
	err := s.read(ctx, func(_ context.Context, tx *transaction) error {
		return writePosition(s.stoppedFile(), positionOf(tx.line))
	})
	if err != nil {
		s.log.WarnContext(ctx, "cannot write the receipt of an orderly stop: the next start will begin a new generation of the line",
			"error", err)
	}
}

func (s *Store) startedFile() string { return s.file + ".started" }

func (s *Store) stoppedFile() string { return s.file + ".stopped" }

// readPosition reads a position from a file. It returns the zero position if there is no file or the
// content is invalid; both have the same consequences.
func readPosition(path string) (position, error) {
	text, err := os.ReadFile(path) //nolint:gosec // beside the operator's own file
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return position{}, err
	}
	return parsePosition(strings.TrimSpace(string(text))), nil
}

// writePosition writes a position to a file atomically: after a failure the file holds the old position
// or the new one.
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

// syncDirectory makes the name of a file durable.
func syncDirectory(path string) error {
	directory, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// randomName returns 16 random hexadecimal digits.
func randomName() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("%x", random)
}
