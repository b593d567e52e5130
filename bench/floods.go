package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"stavka.local/bench/load"
	"stavka.local/bench/report"
	"stavka.local/bench/rig"
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
	var floodErr error
	under := during(ctx, func(ctx context.Context) { answers, floodErr = floodFrom(ctx, address, form.sent) }, place)
	diskUnder, err := flushes.Stop()
	if err := errors.Join(err, floodErr); err != nil {
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
