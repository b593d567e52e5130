package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"stavka.local/bench/load"
	"stavka.local/bench/report"
	"stavka.local/bench/rig"
)

const (
	// flooding is the number of connections of an attacker: more than the places that bet-maker has for bets.
	flooding = 2100
	// floodPace bounds how often each of them sends its text. Without it, the figures would be those of a
	// generator that keeps both processors busy.
	floodPace = time.Second
)

// floods measures the bets of honest users, at a quarter of the peak, while an attacker floods bet-maker.
func (b *bench) floods(ctx context.Context) ([]report.Measure, error) {
	if err := allowFiles(openFiles); err != nil {
		return nil, err
	}
	asDelivered := map[string]string{
		"MAX_CONNECTIONS": "", "MAX_CONNECTIONS_PER_ADDRESS": "", "USER_REQUESTS_PER_SECOND": "", "USER_BETS_PER_SECOND": "",
	}
	s, err := b.NewSystem(ctx, "floods", events, rig.Options{Env: asDelivered})
	if err != nil {
		return nil, err
	}
	if err := b.signIn(ctx, s.Bettors, s.BetMakers[0]); err != nil {
		return nil, err
	}
	forms := floodForms(s.Bettors.Tokens[0])
	target := bets(s.BetMakers[0].URL, s.Bettors, events)
	for range b.rounds {
		if err := rig.Settle(ctx, s.Database); err != nil {
			return nil, err
		}
		load.Closed(ctx, target, crowd, warmUp)
		peak := load.Closed(ctx, target, crowd, b.seconds)
		if err := peak.Only(http.StatusCreated); err != nil {
			return nil, err
		}
		place := func() load.Result {
			return load.Open(ctx, target, crowd, peak.Rate(http.StatusCreated)/4, b.seconds)
		}
		for _, form := range forms {
			if err := b.floodOnce(ctx, strings.TrimPrefix(s.BetMakers[0].URL, "http://"), form, place); err != nil {
				return nil, err
			}
		}
	}
	var measures []report.Measure
	for _, form := range forms {
		measures = append(measures, form.accepted, form.slowest, form.answered)
	}
	return measures, nil
}

// floodOnce measures the bets that place places without a flood, and then in a flood.
func (b *bench) floodOnce(ctx context.Context, address string, form *floodForm, place func() load.Result) error {
	flushes := b.WatchFlushes()
	calm := place()
	diskCalm, err := flushes.Stop()
	if err != nil {
		return err
	}
	answers := 0
	flushes = b.WatchFlushes()
	under := during(ctx, func(ctx context.Context) { answers = flood(ctx, address, form.sent) }, place)
	diskUnder, err := flushes.Stop()
	if err != nil {
		return err
	}
	form.accepted.Ours = append(form.accepted.Ours, float64(under.Statuses[http.StatusCreated])/float64(under.Requests()))
	form.slowest.Ours, form.slowest.Theirs = append(form.slowest.Ours, p99(under)), append(form.slowest.Theirs, p99(calm))
	movingUnder, movingCalm := under.Without(diskUnder.KeptWaiting), calm.Without(diskCalm.KeptWaiting)
	form.answered.Ours, form.answered.Theirs = append(form.answered.Ours, p99(movingUnder)), append(form.answered.Theirs, p99(movingCalm))
	b.Log.Printf("%s: bets %v, err %v; p99 %.1f ms, %.1f without; %.1f and %.1f without waits for the disk, which leaves out %.2f %% and %.2f %%; %d answers to the flood",
		form.name, under.Statuses, under.Err, p99(under), p99(calm), p99(movingUnder), p99(movingCalm), lost(under, movingUnder), lost(calm, movingCalm), answers)
	return nil
}

// floodForm is a kind of flood and its measures.
type floodForm struct {
	name, sent                  string // what each connection sends
	accepted, slowest, answered report.Measure
}

// floodForms returns the forms of a flood by somebody who has at most one token.
func floodForms(token string) []*floodForm {
	const bet = `{"event_id":1,"amount":0.01}`
	head := func(token string, length int) string {
		if token != "" {
			token = "Authorization: Bearer " + token + "\r\n"
		}
		return fmt.Sprintf("POST /api/bets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n", token, length)
	}
	wrong := token[:len(token)-8] + "AAAAAAAA"
	form := func(name, sent string) *floodForm {
		slowest := report.Measure{
			Name: "p99 of an honest bet in a flood, " + name, Against: "the same without a flood", Unit: "ms", Lower: true, Reach: 3,
		}
		answered := slowest
		answered.Name, answered.Against, answered.Reach = "the same, without bets that a disk which stood still kept waiting", slowest.Against+", likewise", 0
		return &floodForm{
			name: name, sent: sent, slowest: slowest, answered: answered,
			accepted: report.Measure{Name: "part of honest bets accepted in a flood, " + name, Reach: 0.95},
		}
	}
	return []*floodForm{
		form("no token, slow bodies", head("", 64)+"{"),
		form("a wrong token, slow bodies", head(wrong, 64)+"{"),
		form("a right token, slow bodies", head(token, 64)+"{"),
		form("one user on many connections", head(token, len(bet))+bet),
		form("slow heads", "POST /api/bets HTTP/1.1\r\nHost: x\r\nAuthorization: "),
	}
}

// during runs a load while something else runs, which has begun a warm-up before.
func during(ctx context.Context, other func(ctx context.Context), run func() load.Result) load.Result {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { other(ctx) })
	select {
	case <-time.After(warmUp):
	case <-ctx.Done():
	}
	result := run()
	stop()
	running.Wait()
	return result
}

// flood keeps connections busy until ctx ends, and returns the number of answers.
func flood(ctx context.Context, address, text string) int {
	var (
		attackers sync.WaitGroup
		answers   = make([]int, flooding)
	)
	for i := range flooding {
		attackers.Go(func() {
			begin := time.NewTimer(floodPace * time.Duration(i) / flooding) // spread over the pace
			defer begin.Stop()
			select {
			case <-begin.C:
			case <-ctx.Done():
				return
			}
			ticker := time.NewTicker(floodPace)
			defer ticker.Stop()
			for ctx.Err() == nil {
				answers[i] += attack(ctx, address, text, ticker.C)
				select {
				case <-ticker.C:
				case <-ctx.Done():
				}
			}
		})
	}
	attackers.Wait()
	total := 0
	for _, n := range answers {
		total += n
	}
	return total
}

// attack sends a text on a new connection, and again at each tick for as long as it is answered and the connection
// stays open. It returns the number of answers when the server closes the connection or ctx ends.
func attack(ctx context.Context, address, text string, tick <-chan time.Time) (answers int) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return 0
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	for reader := bufio.NewReader(conn); ; answers++ {
		if _, err := io.WriteString(conn, text); err != nil {
			return answers
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return answers
		}
		_, err = io.Copy(io.Discard, response.Body)
		if closeErr := response.Body.Close(); err != nil || closeErr != nil || response.Close {
			return answers + 1
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return answers + 1
		}
	}
}
