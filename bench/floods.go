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
	var (
		address  = strings.TrimPrefix(s.BetMakers[0].URL, "http://")
		texts    = floodTexts(s.Bettors.Tokens[0])
		accepted = make([]report.Measure, len(texts))
		slowest  = make([]report.Measure, len(texts))
		target   = bets(s.BetMakers[0].URL, s.Bettors, events)
	)
	for range b.rounds {
		if err := rig.Settle(ctx, s.Database); err != nil {
			return nil, err
		}
		load.Closed(ctx, target, crowd, warmUp)
		peak := load.Closed(ctx, target, crowd, b.seconds)
		if err := peak.Only(http.StatusCreated); err != nil {
			return nil, err
		}
		rate := peak.Rate(http.StatusCreated) / 4
		for i, text := range texts {
			calm := load.Open(ctx, target, crowd, rate, b.seconds)
			answers := 0
			under := during(ctx, func(ctx context.Context) { answers = flood(ctx, address, text.sent) }, func() load.Result {
				return load.Open(ctx, target, crowd, rate, b.seconds)
			})
			usual, flooded := calm.Quantile(http.StatusCreated, 0.99), under.Quantile(http.StatusCreated, 0.99)
			wanted := rate * b.seconds.Seconds()
			accepted[i].Ours = append(accepted[i].Ours, float64(under.Statuses[http.StatusCreated])/wanted)
			slowest[i].Ours, slowest[i].Theirs = append(slowest[i].Ours, milliseconds(flooded)), append(slowest[i].Theirs, milliseconds(usual))
			b.Log.Printf("%s: of %.0f bets %v, err %v; p99 %s, %s without; %d answers to the flood",
				text.name, wanted, under.Statuses, under.Err, flooded, usual, answers)
		}
	}
	var measures []report.Measure
	for i, text := range texts {
		accepted[i].Name, accepted[i].Reach = "part of honest bets accepted in a flood, "+text.name, 0.95
		slowest[i].Name, slowest[i].Against = "p99 of an honest bet in a flood, "+text.name, "the same without a flood"
		slowest[i].Unit, slowest[i].Lower, slowest[i].Reach = "ms", true, 3
		measures = append(measures, accepted[i], slowest[i])
	}
	return measures, nil
}

// floodText is what each connection of a flood sends.
type floodText struct{ name, sent string }

// floodTexts returns the forms of a flood by somebody who has at most one token.
func floodTexts(token string) []floodText {
	const bet = `{"event_id":1,"amount":0.01}`
	head := func(token string, length int) string {
		if token != "" {
			token = "Authorization: Bearer " + token + "\r\n"
		}
		return fmt.Sprintf("POST /api/bets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n", token, length)
	}
	wrong := token[:len(token)-8] + "AAAAAAAA"
	return []floodText{
		{"no token, slow bodies", head("", 64) + "{"},
		{"a wrong token, slow bodies", head(wrong, 64) + "{"},
		{"a right token, slow bodies", head(token, 64) + "{"},
		{"one user on many connections", head(token, len(bet)) + bet},
		{"slow heads", "POST /api/bets HTTP/1.1\r\nHost: x\r\nAuthorization: "},
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
