package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"stavka.local/api/client/betmaker"
	"stavka.local/shared/money"
	"stavka.local/stavka/e2e/system"
)

// While the disk is full nothing is accepted and nothing is lost. When there is room again,
// requests succeed without help.
func TestEmbeddedFullDisk(t *testing.T) {
	t.Parallel()
	disk := mount(t, "size=24m", 0)
	if disk == "" {
		return
	}
	s := startEmbedded(t, map[string]string{"DATA_DIR": disk, "LOG_LEVEL": "warn"})
	w := newWitness(t, s, 4)
	event := w.create("open", "1.45", time.Now().Add(time.Hour))
	stop := w.load(8, 2)
	w.awaitProgress("the start")

	for round := range max(3, scaled(t, 20)) {
		filler := filepath.Join(disk, "filler")
		fillUp(t, filler)
		refuseAll(w, event, fmt.Sprintf("on a full disk, round %d", round))
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		w.awaitProgress("there was room again")
		if again := w.place(0, fmt.Sprintf("on a full disk, round %d", round), event, "1"); again.bet == nil {
			t.Errorf("a bet that was refused for a full disk is answered %s", again.body)
		}
	}
	stop()
	w.check()
	p := s.Processes()[0]
	p.Stop()
	s.CheckFiles(t)
	p.Start()
	s.AwaitReady()
	w.check()
}

// refuseAll waits until no more bets and changes are accepted. It checks how they are refused,
// and that reads succeed.
func refuseAll(w *witness, event int64, key string) {
	w.t.Helper()
	var bets, changes, repeats int64
	system.Eventually(w.t, time.Minute, "nothing is accepted on a full disk", func() error {
		if w.bets.Load() != bets || w.changes.Load() != changes {
			bets, changes, repeats = w.bets.Load(), w.changes.Load(), w.repeats.Load()
		}
		// The witness repeats a request after a 503, and fails the test after other failures.
		if n := w.repeats.Load() - repeats; n < 200 {
			return fmt.Errorf("%d requests in a row were refused", n)
		}
		return nil
	})
	bet := betmaker.NewBet{EventID: event, Amount: money.MustParse("1")}
	if _, err := w.tryPlace(w.t.Context(), 0, key, bet); err == nil || !strings.Contains(err.Error(), `"code":"unavailable"`) {
		w.t.Errorf("a bet on a full disk is answered %v", err)
	}
	for _, path := range []string{"/healthz", "/api/bets", fmt.Sprintf("/api/events/%d", event), "/api/users/me"} {
		expect(w.t, w.s, w.s.BetMakers[0], system.Request{Method: http.MethodGet, Path: path, Token: w.users[0].Token}, http.StatusOK)
	}
	for _, path := range []string{"/healthz", "/events"} {
		expect(w.t, w.s, w.s.LineProviders[0], system.Request{Method: http.MethodGet, Path: path, Token: system.ServiceToken}, http.StatusOK)
	}
}

// fillUp writes a file until the disk is full.
func fillUp(t *testing.T, name string) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for block := make([]byte, 4096); err == nil; {
		_, err = file.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
}

// A read-only directory is refused at the start with an error that names it.
func TestEmbeddedReadOnly(t *testing.T) {
	t.Parallel()
	disk := mount(t, "size=1m", syscall.MS_RDONLY)
	if disk == "" {
		return
	}
	s := start(t, system.Options{Embedded: true, Env: map[string]string{"DATA_DIR": disk}, Stopped: true})
	refuses(t, s, disk, "read-only")
}

// mayMount is set for a test that runs again in a namespace in which it may mount.
const mayMount = "STAVKA_TEST_MAY_MOUNT"

// mount returns a directory on a new small disk, which is unmounted when the test ends.
// If the test may not mount, mount runs the whole test again in a namespace in which it may,
// and returns "".
func mount(t *testing.T, options string, flags uintptr) (directory string) {
	t.Helper()
	directory = t.TempDir()
	err := syscall.Mount("tmpfs", directory, "tmpfs", flags, options)
	if errors.Is(err, syscall.EPERM) && os.Getenv(mayMount) == "" {
		runInNamespace(t)
		return ""
	}
	if err != nil {
		t.Fatalf("mount a small disk at %s: %v", directory, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(directory, 0); err != nil {
			t.Errorf("unmount %s: %v", directory, err)
		}
	})
	return directory
}

func runInNamespace(t *testing.T) {
	t.Helper()
	again := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), mayMount+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := again.CombinedOutput()
	if err != nil {
		t.Fatalf("this test mounts a disk, as root or in a user namespace (unshare -Urm), where it failed: %v\n%s", err, out)
	}
	t.Logf("in a namespace in which it may mount:\n%s", out)
}
