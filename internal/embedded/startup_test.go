package embedded

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// BenchmarkStartup builds the program as `make build` does, without debug information. It starts the
// program on an empty directory and again on the data of the first start. It reports the time to the
// first event and to the first accepted bet, including signing in; the resident memory after five idle
// seconds; and the size of the program. `make bench-embedded` runs it.
func BenchmarkStartup(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "stavka")
	if out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", binary, "stavka.local/stavka").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	info, err := os.Stat(binary)
	if err != nil {
		b.Fatal(err)
	}
	measured := make(map[string][]float64)
	for b.Loop() {
		directory := b.TempDir()
		for _, start := range []string{"first", "next"} {
			s := startup{b: b, binary: binary, directory: directory}
			event, bet, resident := s.run(start == "first")
			measured["ms-to-event-"+start] = append(measured["ms-to-event-"+start], float64(event.Milliseconds()))
			measured["ms-to-bet-"+start] = append(measured["ms-to-bet-"+start], float64(bet.Milliseconds()))
			measured["MB-idle-"+start] = append(measured["MB-idle-"+start], resident)
		}
	}
	for unit, values := range measured {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], unit) // the median
	}
	b.ReportMetric(float64(info.Size())/1e6, "MB-binary")
	b.ReportMetric(0, "ns/op") // meaningless here
}

type startup struct {
	b                 *testing.B
	binary, directory string
}

// run starts the program, places a bet, leaves the program idle, and stops it.
func (s startup) run(isFirst bool) (toEvent, toBet time.Duration, residentMB float64) {
	s.b.Helper()
	maker, provider := freeAddress(s.b), freeAddress(s.b)
	var log bytes.Buffer
	program := exec.Command(s.binary, "--data-dir", s.directory, "--betmaker-addr", maker, "--lineprovider-addr", provider)
	program.Env, program.Stderr = []string{}, &log
	began := time.Now()
	if err := program.Start(); err != nil {
		s.b.Fatal(err)
	}
	defer func() {
		if err := program.Process.Signal(syscall.SIGINT); err != nil {
			s.b.Error(err)
		}
		if err := program.Wait(); err != nil {
			s.b.Errorf("the program ended with %v\n%s", err, log.String())
		}
	}()
	line, err := lineprovider.NewClientWithResponses("http://"+provider, lineprovider.WithRequestEditorFn(bearer("f3fb8928bad49887d2089f5ad04c2cb634bb1980db77fc8c3b111edad34f4eb7")))
	if err != nil {
		s.b.Fatal(err)
	}
	var event int64
	s.insist(func(ctx context.Context) error {
		created, err := line.CreateEventWithResponse(ctx, nil, lineprovider.NewEvent{Coefficient: odds.MustParse("1.45")})
		if err != nil {
			return err
		}
		if created.JSON201 == nil {
			return fmt.Errorf("%d %s", created.StatusCode(), created.Body)
		}
		event = created.JSON201.EventID
		return nil
	})
	toEvent = time.Since(began)
	if isFirst != (event == 1) {
		s.b.Errorf("the first event is %d", event)
	}
	s.insist(func(ctx context.Context) error { return placeBet(ctx, "http://"+maker, event) })
	toBet = time.Since(began)

	<-time.After(5 * time.Second) // memory is measured after an idle time
	return toEvent, toBet, resident(s.b, program.Process.Pid)
}

func placeBet(ctx context.Context, url string, event int64) error {
	anonymous, err := betmaker.NewClientWithResponses(url)
	if err != nil {
		return err
	}
	token, err := anonymous.IssueTokenWithResponse(ctx, betmaker.Credentials{Username: "string", Password: "string"})
	if err != nil {
		return err
	}
	if token.JSON200 == nil {
		return fmt.Errorf("%d %s", token.StatusCode(), token.Body)
	}
	user, err := betmaker.NewClientWithResponses(url, betmaker.WithRequestEditorFn(bearer(token.JSON200.AccessToken)))
	if err != nil {
		return err
	}
	placed, err := user.PlaceBetWithResponse(ctx, nil, betmaker.NewBet{EventID: event, Amount: money.MustParse("10.00")})
	if err != nil {
		return err
	}
	if placed.StatusCode() != http.StatusCreated {
		return fmt.Errorf("%d %s", placed.StatusCode(), placed.Body)
	}
	return nil
}

// insist calls ask until it returns nil.
func (s startup) insist(ask func(context.Context) error) {
	s.b.Helper()
	ctx, cancel := context.WithTimeout(s.b.Context(), 30*time.Second)
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			s.b.Fatalf("timed out: %v", err)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// resident returns the resident memory of a process in megabytes.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	var kilobytes float64
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
				b.Fatal(err)
			}
		}
	}
	return kilobytes * 1024 / 1e6
}

func freeAddress(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
