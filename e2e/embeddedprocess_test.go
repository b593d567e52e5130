package e2e

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"stavka.local/stavka/e2e/system"
)

// The embedded shape ignores the settings of Compose, in the file and in the environment,
// except for those of the services.
func TestEmbeddedEnvOfCompose(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile(filepath.Join(system.Root(), ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("naming the hosts of Compose", func(t *testing.T) {
		t.Parallel()
		tellStoryWithDotEnv(t, string(example))
	})
	t.Run("naming a server that answers", func(t *testing.T) {
		t.Parallel()
		address, connections := listen(t)
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		tellStoryWithDotEnv(t, strings.NewReplacer(
			"manager_db:5432", address, "line_redis:6379", address, "bet_rabbitmq:5672", address, "line_provider:8000", address,
			"DB_HOST=manager_db", "DB_HOST="+host, "DB_PORT=5432", "DB_PORT="+port,
			"RABBIT_HOST=bet_rabbitmq", "RABBIT_HOST="+host, "RABBIT_PORT=5672", "RABBIT_PORT="+port,
		).Replace(string(example)))
		if n := connections(); n > 0 {
			t.Errorf("the server that the variables name was dialled %d times", n)
		}
	})
}

// tellStoryWithDotEnv tells the story to an embedded system that has a file .env and the same
// variables in its environment.
func tellStoryWithDotEnv(t *testing.T, file string) {
	t.Helper()
	env := make(map[string]string)
	for line := range strings.Lines(file) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			env[name] = value
		}
	}
	for _, name := range []string{"DATABASE_URL", "DB_HOST", "REDIS_CONNECT_URL", "RABBITMQ_URL", "RABBIT_HOST", "EVENT_URL"} {
		if env[name] == "" {
			t.Fatalf("the file does not set %s", name)
		}
	}
	s := start(t, system.Options{Embedded: true, Env: env, Stopped: true})
	p := s.Processes()[0]
	p.WriteFile(".env", file)
	p.Start()
	s.AwaitReady()
	tellStory(t, s)
}

// listen accepts connections until the test ends and closes them at once. connections returns
// their number.
func listen(t *testing.T) (address string, connections func() int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepted atomic.Int64
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		accepting.Wait()
	})
	return listener.Addr().String(), accepted.Load
}

// A second process on the same directory exits and does not disturb the first.
func TestEmbeddedOneProcess(t *testing.T) {
	t.Parallel()
	s := startEmbedded(t, nil)
	user, line := s.NewUser(t, 0), s.Line(t, 0)
	event := line.Create("1.45").EventID
	bet := user.Place(t, event, "10")
	second := start(t, system.Options{Embedded: true, Env: map[string]string{"DATA_DIR": s.Env["DATA_DIR"]}, Stopped: true})

	refuses(t, second, s.Env["DATA_DIR"], "another process")

	user.Place(t, event, "10")
	if got := user.Bet(t, bet.ID); got.ID != bet.ID {
		t.Errorf("got %+v, want %+v", got, bet)
	}
	s.Processes()[0].Stop()
	s.CheckFiles(t)
	second.Processes()[0].Start()
	second.AwaitReady()
	second.Admin(t, 0)
}

// refuses starts a process that must exit with an error that holds certain words.
func refuses(t *testing.T, s *system.System, words ...string) {
	t.Helper()
	p := s.Processes()[0]
	said := len(p.Log())
	p.Start()
	p.AwaitExit(30 * time.Second)
	if code := p.ExitCode(); code != 1 {
		t.Errorf("the exit code is %d, want 1", code)
	}
	sentence := p.Log()[said:]
	for _, word := range words {
		if !strings.Contains(sentence, word) {
			t.Errorf("the error is\n%s\nwithout %q", sentence, word)
		}
	}
	if n := strings.Count(sentence, "\n"); n > 3 {
		t.Errorf("the error has %d lines, want at most 3:\n%s", n, sentence)
	}
	t.Logf("the error: %s", sentence)
}

// Ctrl-C lets running requests finish and then ends the process. It does not wait for silent
// connections, such as browsers open ahead.
func TestEmbeddedStops(t *testing.T) {
	t.Parallel()
	s := startEmbedded(t, nil)
	user := s.NewUser(t, 0)
	event := s.Line(t, 0).Create("1.45").EventID
	requests := []*heldRequest{
		hold(t, s.BetMakers[0], "/api/bets", user.Token, fmt.Sprintf(`{"event_id":%d,"amount":10}`, event)),
		hold(t, s.LineProviders[0], "/event", system.ServiceToken, `{"coefficient":1.45,"name":"the last"}`),
	}

	for _, service := range s.Services() {
		dial(t, service)
	}

	p := s.Processes()[0]
	p.Signal(syscall.SIGINT)
	interrupted := time.Now()
	for len(requests) > 0 {
		var stopping int // index of a request of a service that no longer accepts connections
		system.Eventually(t, allowed, "a service accepts no more connections", func() error {
			if stopping = slices.IndexFunc(requests, (*heldRequest).isTheLast); stopping < 0 {
				return errors.New("it accepts one")
			}
			return nil
		})
		if status, body := requests[stopping].finish(); status != http.StatusCreated {
			t.Errorf("%s is answered %d %s, want 201", requests[stopping].path, status, body)
		}
		requests = slices.Delete(requests, stopping, stopping+1)
	}
	p.AwaitExit(5*time.Second - time.Since(interrupted))
	if code := p.ExitCode(); code != 0 {
		t.Errorf("the exit code is %d, want 0", code)
	}
	t.Logf("the process ended %s after SIGINT", time.Since(interrupted).Round(time.Millisecond))

	p.Start()
	s.AwaitReady()
	if bets := betsOn(t, s.SignIn(t, 0, user.Username, user.Password), event); len(bets) != 1 {
		t.Errorf("there are %d bets, want the one that was placed during the stop", len(bets))
	}
}

// heldRequest is a request whose body has not been sent.
type heldRequest struct {
	t          *testing.T
	path, body string
	conn       net.Conn
	answers    *bufio.Reader
}

// dial connects to a service until the test ends.
func dial(t *testing.T, service *system.Service) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(service.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// hold sends a request without its body, and returns when the service waits for the body.
func hold(t *testing.T, service *system.Service, path, token, body string) *heldRequest {
	t.Helper()
	conn := dial(t, service)
	r := &heldRequest{t: t, path: path, body: body, conn: conn, answers: bufio.NewReader(conn)}
	if _, err := fmt.Fprintf(r.conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", path, token, len(body)); err != nil {
		t.Fatal(err)
	}
	const goOn = "HTTP/1.1 100 Continue\r\n\r\n"
	answer := make([]byte, len(goOn))
	if _, err := io.ReadFull(r.answers, answer); err != nil || string(answer) != goOn {
		t.Fatalf("%s is answered %q %v before its body is sent", path, answer, err)
	}
	return r
}

// isTheLast reports whether the service accepts no more connections.
func (r *heldRequest) isTheLast() bool {
	conn, err := net.Dial(r.conn.RemoteAddr().Network(), r.conn.RemoteAddr().String())
	if err == nil {
		_ = conn.Close()
	}
	return err != nil
}

// finish sends the body and returns the answer.
func (r *heldRequest) finish() (status int, body []byte) {
	r.t.Helper()
	if _, err := io.WriteString(r.conn, r.body); err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.ReadResponse(r.answers, nil)
	if err != nil {
		r.t.Fatalf("%s is not answered: %v", r.path, err)
	}
	body, err = io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, body
}

// A damaged file is refused and not changed.
func TestEmbeddedDamagedFile(t *testing.T) {
	t.Parallel()
	s := startEmbedded(t, nil)
	s.NewUser(t, 0).Place(t, s.Line(t, 0).Create("1.45").EventID, "10")
	s.Processes()[0].Stop()
	for _, file := range s.Files() {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		garbage := make([]byte, len(whole))
		_, _ = rand.Read(garbage)
		for what, content := range map[string][]byte{
			"garbage":            garbage,
			"a text":             []byte("This is no database.\n"),
			"garbage at its end": append(bytes.Clone(whole[:len(whole)/2]), garbage[len(whole)/2:]...),
			"half of it missing": whole[:len(whole)/2],
		} {
			t.Run(filepath.Base(file)+" is "+what, func(t *testing.T) {
				write(t, file, content)
				refuses(t, s, file, "damaged")
				if is, err := os.ReadFile(file); err != nil || !bytes.Equal(is, content) {
					t.Errorf("it was changed from %d bytes to %d, %v", len(content), len(is), err)
				}
			})
		}
		write(t, file, whole)
	}
	s.Processes()[0].Start()
	s.AwaitReady()
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file that a newer program has migrated is refused.
func TestEmbeddedNewerSchema(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"betmaker.db", "lineprovider.db"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startEmbedded(t, nil)
			s.Processes()[0].Stop()
			file := s.File(name)
			s.Execute(t, file, `insert into goose_db_version (version_id, is_applied) values (99999, 1)`)
			before, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			refuses(t, s, file, "newer than this program")
			if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, before) {
				t.Errorf("the file was changed: %v", err)
			}
			s.CheckFiles(t)
		})
	}
}
