package postgres_test

import (
	"testing"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/postgres/postgrestest"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Each share settles the bets of its users, even while another share holds locks on bets and wallets.
// Together they settle all bets.
func TestSharesSettleTogether(t *testing.T) {
	t.Parallel()
	const users, betsOfEach, event = 10, 5, 1
	url := postgrestest.NewDatabase(t)
	store := open(t, postgres.Config{URL: url})
	execute(t, url, `
		with created as (
			insert into users (name, username, email, username_folded, email_folded, password_hash, role, created_at, updated_at)
			select n, n, n, n, n, '', 1, now(), now() from (select generate_series(1, 10)::text as n) as names
			returning id
		)
		insert into wallets (user_id, held) select id, 500 from created`)
	execute(t, url, `insert into events (id, dataset, seq, version, name, coefficient, deadline, state, suspended, result_revision,
		created_at, updated_at, closed_at, resulted_at, settle_revision) values (1, 'D', 1, 1, '', 145, now(), 2, false, 1, now(), now(), now(), now(), 1)`)
	execute(t, url, `insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at)
		select user_id, 1, 100, 145, 1, now() from wallets cross join generate_series(1, 5) order by random()`)

	shares := store.SettlementShares(2)
	settled := make(map[domain.UserID]int)
	settle := func(set *domain.Settling) []domain.Settled {
		for _, bet := range set.Bets {
			settled[bet.UserID]++
		}
		return set.Settle()
	}
	_, err := shares[0].SettleChunk(t.Context(), event, 0, 100, func(set *domain.Settling) []domain.Settled {
		// This share holds its locks until it is settled itself.
		chunk, err := shares[1].SettleChunk(t.Context(), event, 0, 100, settle)
		if err != nil || chunk.Settled != users*betsOfEach/2 {
			t.Errorf("the other share settles %+v, %v; want %d bets", chunk, err, users*betsOfEach/2)
		}
		if len(settled) != users/2 {
			t.Errorf("the other share settles the bets of %d users, want %d", len(settled), users/2)
		}
		return settle(set)
	})
	if err != nil {
		t.Fatalf("settle the first share: %v", err)
	}
	if len(settled) != users {
		t.Errorf("bets of %d users are settled, want %d", len(settled), users)
	}
	for user, bets := range settled {
		if bets != betsOfEach {
			t.Errorf("%d bets of user %d are settled, want %d", bets, user, betsOfEach)
		}
	}
	done, err := store.Settlements.FinishSettling(t.Context(), event)
	if err != nil || !done {
		t.Errorf("the event is settled: %t, %v; want true", done, err)
	}
}

// For any number of shares and any users, the bets of a user are settled by one share, in order and
// once, even in chunks that end in the middle of a user's bets.
func TestSharesAreDisjointRanges(t *testing.T) {
	t.Parallel()
	const event = 1
	for name, bettors := range map[string]string{
		"one user":            "select 7",
		"neighbours":          "select generate_series(7, 12)",
		"with gaps":           "select n * n from generate_series(1, 30) as n",
		"one far from others": "select generate_series(1, 9) union select 1000000",
		"far apart":           "select 9000000000000000000 union select 8000000000000000000 union select 5",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := postgrestest.NewDatabase(t)
			store := open(t, postgres.Config{URL: url})
			execute(t, url, `
				with created as (
					insert into users (id, name, username, email, username_folded, email_folded, password_hash, role, created_at, updated_at)
					overriding system value select id, id, id, id, id, id, '', 1, now(), now() from (`+bettors+`) as b (id) returning id
				)
				insert into wallets (user_id, held) select id, 5000 from created`)
			execute(t, url, `insert into events (id, dataset, seq, version, name, coefficient, deadline, state, suspended, result_revision,
				created_at, updated_at, closed_at, resulted_at, settle_revision)
				select n, 'D', 1, 1, '', 145, now(), 2, false, 1, now(), now(), now(), now(), 1 from generate_series(0, 2) as n`)
			execute(t, url, `insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at)
				select user_id, event, 100, 145, 1, now() from wallets, generate_series(0, 2) as event, generate_series(1, 7) order by random()`)
			for shares := 1; shares <= 9; shares++ {
				settled, last := make(map[domain.BetID]bool), make(map[domain.UserID]domain.BetID)
				for _, share := range store.SettlementShares(shares) {
					usersOfShare := make(map[domain.UserID]bool)
					for chunk := (ports.Chunk{More: true}); chunk.More; {
						var err error
						chunk, err = share.SettleChunk(t.Context(), event, chunk.Last, 4, func(set *domain.Settling) []domain.Settled {
							for _, bet := range set.Bets {
								if settled[bet.ID] || last[bet.UserID] > bet.ID || last[bet.UserID] > 0 && !usersOfShare[bet.UserID] {
									t.Errorf("of %d shares, one settles bet %d of user %d after others have settled %d bets, the last of this user %d",
										shares, bet.ID, bet.UserID, len(settled), last[bet.UserID])
								}
								settled[bet.ID], last[bet.UserID], usersOfShare[bet.UserID] = true, bet.ID, true
							}
							return set.Settle()
						})
						if err != nil {
							t.Fatalf("settle a chunk of one of %d shares: %v", shares, err)
						}
					}
				}
				if want := 7 * len(last); len(settled) != want || want == 0 {
					t.Errorf("%d shares settle %d bets, want %d", shares, len(settled), want)
				}
				done, err := store.Settlements.FinishSettling(t.Context(), event)
				if err != nil || !done {
					t.Errorf("%d shares have settled the event: %t, %v; want true", shares, done, err)
				}
				execute(t, url, "update events set settle_revision = settle_revision + 1")
			}
		})
	}
}
