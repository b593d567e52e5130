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
	// flushEvery is the time between two flushes.
	flushEvery = 5 * time.Millisecond
	// stalled is the least time of a flush that counts as a stall of the disk.
	stalled = 50 * time.Millisecond
)

// Flushes measures how long the disk takes to flush 8 KB, the size of a page of PostgreSQL's
// log. A commit at the same time waits as long.
type Flushes struct {
	stop    chan struct{}
	stopped chan struct{}
	flushed Flushed
	err     error
}

// Flushed is the measurement of a disk.
type Flushed struct {
	Longest time.Duration // flush
	Stood   time.Duration // the total of all stalls

	stalls []stall
}

// stall is an interval in which the disk stalled.
type stall struct{ began, ended time.Time }

// KeptWaiting reports whether the disk stalled between two instants, or shortly before: after a
// stall there is a backlog for an equal time.
func (f Flushed) KeptWaiting(from, to time.Time) bool {
	return slices.ContainsFunc(f.stalls, func(s stall) bool {
		return from.Before(s.ended.Add(s.ended.Sub(s.began))) && to.After(s.began)
	})
}

// WatchFlushes starts to measure the disk of the servers' data. The caller must call Stop.
func (r *Rig) WatchFlushes() *Flushes {
	f := &Flushes{stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(f.stopped)
		f.err = f.watch(filepath.Join(r.directory, "flushes"))
	}()
	return f
}

// Stop stops the measurement and returns it.
func (f *Flushes) Stop() (Flushed, error) {
	close(f.stop)
	<-f.stopped
	if f.err != nil {
		return Flushed{}, fmt.Errorf("watch the disk: %w", f.err)
	}
	return f.flushed, nil
}

// watch writes and flushes the same 8 KB repeatedly. The file does not grow and only its data is
// flushed, as PostgreSQL does with its log; metadata would have to be flushed together with the
// changes of other files.
func (f *Flushes) watch(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|syscall.O_DSYNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // the content is not needed
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
