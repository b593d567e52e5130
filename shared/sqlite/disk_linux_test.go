package sqlite_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"stavka.local/shared/sqlite"
)

// The test replaces the file descriptor of the write-ahead log by one that cannot be written to. For SQLite
// this looks like a failing disk.
func TestDiskThatFailsDuringACommit(t *testing.T) {
	t.Parallel()
	o := options(newFile(t))
	db := open(t, o)
	mustWrite(t, db, 1)
	breakWrites(t, o.File+"-wal")

	if err := write(t.Context(), db, 2); !errors.Is(err, sqlite.ErrOutcomeUnknown) || errors.Is(err, sqlite.ErrUnavailable) {
		t.Errorf("the commit: got %v", err)
	}

	for name, err := range map[string]error{
		"write": write(t.Context(), db, 3),
		"read":  db.Read(t.Context(), func(context.Context, sqlite.Conn) error { t.Error("the query was run"); return nil }),
		"ping":  db.Ping(t.Context()),
	} {
		if !errors.Is(err, sqlite.ErrUnavailable) || errors.Is(err, sqlite.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "disk") {
			t.Errorf("%s afterwards: got %v", name, err)
		}
	}

	closed(t, db)
	db = open(t, o)
	got := stateOf(t, db)
	if got != complete(1) && got != complete(2) {
		t.Errorf("the file has %+v", got)
	}
	mustWrite(t, db, got.last+1)
	wantState(t, db, complete(got.last+1))
}

// breakWrites replaces the descriptors of the open file at path by read-only ones.
func breakWrites(t *testing.T, path string) {
	t.Helper()
	readOnly, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	broken := 0
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		// The descriptor may be closed by now; that of the directory is.
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err != nil || target != path || fd == int(readOnly.Fd()) {
			continue
		}
		if err := syscall.Dup3(int(readOnly.Fd()), fd, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		broken++
	}
	if broken == 0 {
		t.Fatalf("%s is not open", path)
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	if runsWhereItMayMount(t) {
		return
	}
	disk := mount(t, "size=3m")
	o := options(filepath.Join(disk, "test.db"))
	db := open(t, o)
	mustWrite(t, db, 1)
	makeRoom := fillUp(t, disk)

	last := 1
	for ; last < 1000; last++ { // until the log has no space
		err := db.Write(t.Context(), func(ctx context.Context, tx sqlite.Conn) error {
			if err := insert(ctx, tx, last+1); err != nil {
				return err
			}
			// It may need another page of the file, and so of the log.
			_, err := tx.ExecContext(ctx, "update entries set note = note || ? where batch = ?", strings.Repeat("x", 3000), last+1)
			return err
		})
		if err == nil {
			continue
		}
		if !errors.Is(err, sqlite.ErrUnavailable) || errors.Is(err, sqlite.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "full") {
			t.Errorf("got %v", err)
		}
		break
	}
	if last == 1000 {
		t.Fatal("the disk is not full")
	}
	wantState(t, db, complete(last))
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("the file cannot be read: %v", err)
	}

	makeRoom()
	mustWrite(t, db, last+1)
	wantState(t, db, complete(last+1))

	// Acknowledged batches survive a close while the disk is full.
	makeRoom = fillUp(t, disk)
	_ = db.Close()
	if db, err := sqlite.Open(t.Context(), o); err == nil {
		wantState(t, db, complete(last+1))
		closed(t, db)
	} else if !errors.Is(err, sqlite.ErrUnavailable) {
		t.Errorf("open while the disk is full: %v", err)
	}
	makeRoom()
	wantState(t, open(t, o), complete(last+1))
}

func TestNewFileOnAFullDisk(t *testing.T) {
	t.Parallel()
	if runsWhereItMayMount(t) {
		return
	}
	disk := mount(t, "size=1m")
	o := options(filepath.Join(disk, "test.db"))
	makeRoom := fillUp(t, disk)
	if _, err := sqlite.Open(t.Context(), o); !errors.Is(err, sqlite.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	makeRoom()
	db := open(t, o)
	mustWrite(t, db, 1)
	wantState(t, db, complete(1))
}

// fillUp fills a disk until makeRoom is called.
func fillUp(t *testing.T, disk string) (makeRoom func()) {
	t.Helper()
	path := filepath.Join(disk, "ballast")
	ballast, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = ballast.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	// Permissions are enough unless the user is root.
	if os.Getuid() == 0 && runsWhereItMayMount(t) {
		return
	}
	o := options(newFile(t))
	directory := filepath.Dir(o.File)
	guest := o
	guest.Guest = true
	db := open(t, o)
	mustWrite(t, db, 1)
	closed(t, db)
	wantRefusal := func(what string, o sqlite.Options) {
		t.Helper()
		_, err := sqlite.Open(t.Context(), o)
		if !errors.Is(err, syscall.EROFS) && !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "write to "+directory) {
			t.Errorf("%s: got %v", what, err)
		}
	}

	writable := protect(t, directory)
	wantRefusal("the directory", o)
	wantRefusal("the directory, for a guest", guest)
	wantRefusal("the directory, for a new file", options(filepath.Join(directory, "new.db")))
	writable()

	writable = protect(t, o.File)
	wantRefusal("the file", o)
	wantRefusal("the file, for a guest", guest)
	writable()

	// Nothing is left that prevents opening the file.
	db = open(t, o)
	mustWrite(t, db, 2)
	wantState(t, db, complete(2))
}

// protect makes a file or a directory read-only, even for root, until unprotect is called.
func protect(t *testing.T, path string) (unprotect func()) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() != 0 {
		info, err := os.Stat(path)
		must(err)
		must(os.Chmod(path, info.Mode()&^0o222))
		return func() { t.Helper(); must(os.Chmod(path, info.Mode())) }
	}
	must(syscall.Mount(path, path, "", syscall.MS_BIND, ""))
	must(syscall.Mount("", path, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""))
	return func() { t.Helper(); must(syscall.Unmount(path, 0)) }
}

// mount mounts a new file system. The test must call runsWhereItMayMount first.
func mount(t *testing.T, options string) (directory string) {
	t.Helper()
	directory = t.TempDir()
	if err := syscall.Mount("tmpfs", directory, "tmpfs", 0, options); err != nil {
		t.Fatalf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(directory, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return directory
}

const mountsKey = "STAVKA_SQLITE_TEST_MOUNTS"

// runsWhereItMayMount runs the calling test again in a process that may mount file systems: it has its own
// mount namespace, which disappears with it. In that process runsWhereItMayMount returns false, and the
// test continues.
func runsWhereItMayMount(t *testing.T) bool {
	t.Helper()
	if os.Getenv(mountsKey) == t.Name() {
		// Mounts must not be visible outside.
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return false
	}
	ways := []*syscall.SysProcAttr{
		{Cloneflags: syscall.CLONE_NEWNS}, // for root
		{
			Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		},
	}
	var failures []error
	for _, way := range ways {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), mountsKey+"="+t.Name())
		cmd.SysProcAttr = way
		out, err := cmd.CombinedOutput()
		if _, ran := errors.AsType[*exec.ExitError](err); err == nil || ran {
			if t.Logf("%s", out); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
				t.Errorf("it failed in the process that may mount: %v", err)
			}
			return true
		}
		failures = append(failures, err)
	}
	t.Fatalf("this test mounts file systems; it needs root, or a kernel with user namespaces: %v", errors.Join(failures...))
	return true
}
