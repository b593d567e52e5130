package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const (
	// flushEvery is the time between two flushes that are watched.
	flushEvery = 5 * time.Millisecond
	// stalled is how long a flush takes when the disk stands still, many times as long as usual.
	stalled = 50 * time.Millisecond
)

// Flushes watches how long the disk takes to keep 8 KB, as much as a page of PostgreSQL's log.
// Whoever commits meanwhile waits as long.
type Flushes struct {
	stop    chan struct{}
	stopped chan struct{}
	flushed Flushed
	err     error
}

// Flushed is what was seen of a disk.
type Flushed struct {
	Longest time.Duration // that a flush took
	Stood   time.Duration // how long the disk stood still, all in all

	stalls []stall
}

// stall is a time in which the disk stood still.
type stall struct{ began, ended time.Time }

// KeptWaiting tells whether the disk stood still between two instants, or shortly before: for as long
// again as it did, there is more to do than usual.
func (f Flushed) KeptWaiting(from, to time.Time) bool {
	return slices.ContainsFunc(f.stalls, func(s stall) bool {
		return from.Before(s.ended.Add(s.ended.Sub(s.began))) && to.After(s.began)
	})
}

// WatchFlushes begins to watch the disk that the servers' data is on. Call Stop.
func (r *Rig) WatchFlushes() *Flushes {
	f := &Flushes{stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(f.stopped)
		f.err = f.watch(filepath.Join(r.directory, "flushes"))
	}()
	return f
}

// Stop ends the watching, and returns what was seen.
func (f *Flushes) Stop() (Flushed, error) {
	close(f.stop)
	<-f.stopped
	if f.err != nil {
		return Flushed{}, fmt.Errorf("watch the disk: %w", f.err)
	}
	return f.flushed, nil
}

// watch writes the same 8 KB again and again, each time until the disk has them. A file that does
// not grow, and of which the data alone is waited for, as PostgreSQL does with its log: whatever else
// the file system keeps of it would have to be written with what others have changed.
func (f *Flushes) watch(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|syscall.O_DSYNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // what is in it is of no interest
	page := make([]byte, 8<<10)
	if _, err := file.WriteAt(page, 0); err != nil {
		return err
	}
	for {
		began := time.Now()
		if _, err := file.WriteAt(page, 0); err != nil {
			return err
		}
		f.add(began, time.Now())
		select {
		case <-f.stop:
			return nil
		case <-time.After(flushEvery):
		}
	}
}

func (f *Flushes) add(began, ended time.Time) {
	took := ended.Sub(began)
	f.flushed.Longest = max(f.flushed.Longest, took)
	if took >= stalled {
		f.flushed.Stood += took
		f.flushed.stalls = append(f.flushed.stalls, stall{began, ended})
	}
}
