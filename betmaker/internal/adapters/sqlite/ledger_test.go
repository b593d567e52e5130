package sqlite_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite"
	"stavka.local/betmaker/internal/adapters/sqlite/sqlitetest"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// ignore is a LedgerReader that does nothing.
type ignore struct{}

func (ignore) Seal(domain.Seal) error                         { return nil }
func (ignore) Transfer(domain.Transfer) error                 { return nil }
func (ignore) Wallet(domain.UserID, domain.Wallet) error      { return nil }
func (ignore) Event(domain.Event, int64, *money.Amount) error { return nil }
func (ignore) Bet(domain.Bet, []domain.Transfer) error        { return nil }

var _ ports.LedgerReader = ignore{}

// listing counts transfers, and lists the bets that do not have exactly one transfer.
type listing struct {
	ignore

	transfers int
	bets      []string
}

func (l *listing) Transfer(domain.Transfer) error {
	l.transfers++
	return nil
}

func (l *listing) Bet(bet domain.Bet, transfers []domain.Transfer) error {
	if bet.UserID == 0 || len(transfers) != 1 {
		l.bets = append(l.bets, fmt.Sprint(bet.ID))
		for _, transfer := range transfers {
			l.bets = append(l.bets, fmt.Sprintf("%d for %d", transfer.ID, transfer.BetID))
		}
	}
	return nil
}

// The ledger has several pages, and entries that only a defect can cause.
func TestLedgerIsReadWhole(t *testing.T) {
	t.Parallel()
	store := sqlitetest.New(t)
	user := prepare(t, store)
	const many = 2500
	execute(t, store, `with recursive n (i) as (select 2 union all select i + 1 from n where i < ?1)
		insert into bets (id, user_id, event_id, stake, coefficient, event_version, accepted_at) select i, ?2, 1, 100, 145, 1, 0 from n`,
		many, int64(user))
	// The first transfer, of prepare, is the user's opening.
	execute(t, store, `insert into transfers (id, user_id, debit, credit, amount, kind, bet_id, revision, at)
		select id, user_id, 1, 2, stake, 4, id, 0, 0 from bets where id <> 2000`)
	for _, orphan := range []string{"3001, 1, 1, 2, 1, 4, -5, 0", "3002, 1, 1, 2, 1, 4, 1, 0", "3003, 1, 1, 3, 1, 4, 9999, 0", "3004, 1, 1, 2, 1, 4, 9999, 0"} {
		execute(t, store, "insert into transfers (id, user_id, debit, credit, amount, kind, bet_id, revision, at) select "+orphan+", 0")
	}

	var seen listing
	if err := store.Ledger.Read(t.Context(), &seen); err != nil {
		t.Fatalf("read: %v", err)
	}
	want := []string{"-5", "3001 for -5", "1", "3002 for 1", "2000", "9999", "3003 for 9999", "3004 for 9999"}
	if !slices.Equal(seen.bets, want) {
		t.Errorf("bets without exactly one transfer:\ngot  %q\nwant %q", seen.bets, want)
	}
	if seen.transfers != 1+many-2+4 {
		t.Errorf("%d transfers, want %d", seen.transfers, 1+many-2+4)
	}
}

// order lists transfers and seals.
type order struct {
	ignore

	seen []string
}

func (o *order) Seal(seal domain.Seal) error {
	o.seen = append(o.seen, fmt.Sprintf("seal %d", seal.ID))
	return nil
}

func (o *order) Transfer(transfer domain.Transfer) error {
	o.seen = append(o.seen, fmt.Sprint(transfer.ID))
	return nil
}

// The seals are in an order that only tampering can cause.
func TestSealsAreShownWhereTheyEnd(t *testing.T) {
	t.Parallel()
	store := sqlitetest.New(t)
	user := prepare(t, store)
	for _, id := range []int{5, 7, 9} {
		execute(t, store, "insert into transfers (id, user_id, debit, credit, amount, kind, revision, at) values (?1, ?2, 4, 1, 1, 2, 0, 0)", id, int64(user))
	}
	for i, last := range []int64{-3, 1, 6, 4, 9, 8, math.MaxInt64, 2} {
		execute(t, store, "insert into seals (id, last_transfer, count, hash, at) values (?1, ?2, 1, zeroblob(32), 0)", 10*i, last)
	}

	var got order
	if err := store.Ledger.Read(t.Context(), &got); err != nil {
		t.Fatalf("read: %v", err)
	}
	want := []string{"seal 0", "1", "seal 10", "5", "seal 20", "seal 30", "7", "9", "seal 40", "seal 50", "seal 60", "seal 70"}
	if !slices.Equal(got.seen, want) {
		t.Errorf("got  %q\nwant %q", got.seen, want)
	}
}

// If two processes seal at once, the second one does not write its seal.
func TestTwoProcessesSeal(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	host := open(t, sqlite.Config{File: file})
	guest := open(t, sqlite.Config{File: file, Guest: true})
	prepare(t, host)
	var first domain.Seal
	newest, more, err := host.Ledger.Seal(t.Context(), 10, func(before domain.Seal, transfers []domain.Transfer, now time.Time) domain.Seal {
		var err error
		if first, _, err = guest.Ledger.Seal(t.Context(), 10, domain.Seal.Next); err != nil {
			t.Errorf("seal in the other process: %v", err)
		}
		return before.Next(transfers, now)
	})
	if err != nil || newest != first || first.ID != 1 || !more {
		t.Errorf("got %+v, %t, %v; want %+v, true", newest, more, err, first)
	}
}
