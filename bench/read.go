package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"stavka.local/bench/load"
	"stavka.local/bench/report"
	"stavka.local/bench/rig"
)

const (
	readers    = 64   // connections
	readUsers  = 1000 // each reads its own bets
	betsOfUser = 60   // per user
	betsShown  = 50   // on a page
)

// reading is one address with its competitors.
type reading struct {
	name string
	ours load.Target
	bare load.Target // a handler that only writes the same bytes
	sql  *rig.Pgbench

	toBare, toSQL report.Measure
}

// read measures the rate of reads against a handler that only writes the same bytes, and for
// bets also against the bare SQL.
func (b *bench) read(ctx context.Context) ([]report.Measure, error) {
	s, err := b.NewSystem(ctx, "read", events, rig.Options{})
	if err != nil {
		return nil, err
	}
	if err := s.SeedHistory(ctx, events, readUsers*betsOfUser, readUsers); err != nil {
		return nil, err
	}
	if err := s.AwaitSealed(ctx); err != nil {
		return nil, err
	}
	readings, err := b.readings(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := rig.Settle(ctx, s.Database); err != nil {
		return nil, err
	}
	for range b.rounds {
		for _, r := range readings {
			if err := b.readOnce(ctx, s, r); err != nil {
				return nil, fmt.Errorf("%s: %w", r.name, err)
			}
		}
	}
	var measures []report.Measure
	for _, r := range readings {
		measures = append(measures, r.toBare)
		if r.sql != nil {
			measures = append(measures, r.toSQL)
		}
	}
	return measures, nil
}

// readings returns the addresses to measure and starts their competitors.
func (b *bench) readings(ctx context.Context, s *rig.System) ([]*reading, error) {
	users := s.Bettors.Tokens[:readUsers]
	anyUser := func(random *rand.Rand) string { return users[random.IntN(len(users))] }
	page := func(*rand.Rand) string { return "/api/events" }
	bets := func(*rand.Rand) string { return "/api/bets?limit=" + strconv.Itoa(betsShown) }
	readings := []*reading{
		{name: "GET /api/events", ours: get(s.BetMakers[0].URL, page, anyUser)},
		{name: "GET /event/{id}", ours: anyEvent(s)},
		{name: "GET /api/bets, 50 rows", ours: get(s.BetMakers[0].URL, bets, anyUser)},
	}
	for i, r := range readings {
		answer, err := one(ctx, r.ours)
		if err != nil {
			return nil, err
		}
		bare, err := b.StartBare(ctx, strconv.Itoa(i), answer)
		if err != nil {
			return nil, err
		}
		r.bare = load.Target{Address: strings.TrimPrefix(bare.URL, "http://"), Fill: r.ours.Fill}
		r.toBare = report.Measure{
			Name: r.name, Unit: "/s", Reach: 0.5,
			Against: fmt.Sprintf("a bare net/http handler writing the same %d bytes", len(answer.Body)),
		}
	}
	list := readings[2]
	list.toBare.Reach = 0 // only shown; the goal is relative to SQL
	list.toSQL = report.Measure{Name: list.name, Against: "pgbench, the same rows, prepared, 64 clients", Unit: "/s", Reach: 0.5}
	list.sql = &rig.Pgbench{Script: betsStatement, Clients: readers, Variables: map[string]int64{
		"first": s.Bettors.First, "last": s.Bettors.First + readUsers - 1, "rows": betsShown,
	}}
	return readings, nil
}

// one sends one request of a load and returns the answer.
func one(ctx context.Context, target load.Target) (rig.Answer, error) {
	request := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(request)
	target.Fill(rand.New(rand.NewPCG(1, 1)), request)
	token := strings.TrimPrefix(string(request.Header.Peek("Authorization")), "Bearer ")
	return rig.Ask(ctx, "http://"+target.Address+string(request.RequestURI()), token)
}

// betsStatement reads the rows of a page of bets.
const betsStatement = `\set user random(:first, :last)
select id, user_id, event_id, stake, coefficient, event_version, accepted_at, status, payout, settle_revision, void_reason, settled_at
from bets where user_id = :user::bigint order by user_id desc, id desc limit :rows::integer;
`

// anyEvent returns a load that reads random open events.
func anyEvent(s *rig.System) load.Target {
	return get(s.LineProvider.URL, func(random *rand.Rand) string { return "/event/" + strconv.Itoa(1+random.IntN(events)) },
		func(*rand.Rand) string { return rig.ServiceToken })
}

// get returns a load that reads paths with tokens.
func get(address string, path, token func(*rand.Rand) string) load.Target {
	return load.Target{Address: strings.TrimPrefix(address, "http://"), Fill: func(random *rand.Rand, r *fasthttp.Request) {
		r.SetRequestURI(path(random))
		r.Header.Set("Authorization", "Bearer "+token(random))
	}}
}

// readOnce takes one turn of each competitor.
func (b *bench) readOnce(ctx context.Context, s *rig.System, r *reading) error {
	ours, err := b.readFor(ctx, r.ours)
	if err != nil {
		return err
	}
	bare, err := b.readFor(ctx, r.bare)
	if err != nil {
		return err
	}
	r.toBare.Ours, r.toBare.Theirs = append(r.toBare.Ours, ours), append(r.toBare.Theirs, bare)
	b.Log.Printf("%s: %.0f/s, bare %.0f/s", r.name, ours, bare)
	if r.sql == nil {
		return nil
	}
	theirs, err := b.Pgbench(ctx, s.Database, *r.sql, b.seconds)
	if err != nil {
		return err
	}
	r.toSQL.Ours, r.toSQL.Theirs = append(r.toSQL.Ours, ours), append(r.toSQL.Theirs, theirs)
	b.Log.Printf("%s: %.0f/s, SQL %.0f/s", r.name, ours, theirs)
	return nil
}

// readFor returns how many answers came per second. It fails if one was not a success.
func (b *bench) readFor(ctx context.Context, target load.Target) (float64, error) {
	load.Closed(ctx, target, readers, warmUp)
	result := load.Closed(ctx, target, readers, b.seconds)
	return result.Rate(http.StatusOK), result.Only(http.StatusOK)
}
