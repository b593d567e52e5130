package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// flushEvery is the time between two flushes that are watched.
const flushEvery = 5 * time.Millisecond

// Flushes watches how long the disk takes to keep 8 KB, as much as a page of PostgreSQL's log.
// Whoever commits meanwhile waits as long.
type Flushes struct {
	stop    chan struct{}
	stopped chan struct{}
	longest time.Duration
	err     error
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

// Stop ends the watching, and returns how long the longest flush took.
func (f *Flushes) Stop() (time.Duration, error) {
	close(f.stop)
	<-f.stopped
	if f.err != nil {
		return 0, fmt.Errorf("watch the disk: %w", f.err)
	}
	return f.longest, nil
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
		f.longest = max(f.longest, time.Since(began))
		select {
		case <-f.stop:
			return nil
		case <-time.After(flushEvery):
		}
	}
}
