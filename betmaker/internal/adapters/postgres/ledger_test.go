package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/postgres/postgrestest"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// sealUpTo seals until the newest seal reaches a transfer. Transactions in other databases of the
// server can delay it.
func sealUpTo(t *testing.T, store *postgres.Store, last domain.TransferID) {
	t.Helper()
	for giveUp := time.Now().Add(time.Minute); ; {
		newest, _, err := store.Ledger.Seal(t.Context(), 100, domainSeal)
		if err != nil || newest.Last > last || time.Now().After(giveUp) {
			t.Fatalf("sealed up to %d, %v, want %d", newest.Last, err, last)
		}
		if newest.Last == last {
			return
		}
	}
}

func lastTransfer(t *testing.T, store *postgres.Store) domain.TransferID {
	t.Helper()
	transfers, err := store.Wallets.Transfers(t.Context(), ports.TransferFilter{}, 1)
	if err != nil || len(transfers) != 1 {
		t.Fatalf("the newest transfer: %v, %v", transfers, err)
	}
	return transfers[0].ID
}

// A transfer that is not committed yet delays the sealing of all transfers with higher ids.
func TestSealWaitsForTransferInFlight(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	store := open(t, postgres.Config{URL: url})
	user, other := prepare(t, store), addUser(t, store, "other")
	sealed := lastTransfer(t, store)
	sealUpTo(t, store, sealed)

	slow := connect(t, url)
	for _, statement := range []string{
		"begin",
		"select from wallets where user_id = " + id(user) + " for no key update",
		"insert into transfers (user_id, debit, credit, amount, kind, revision, at) values (" + id(user) + ", 4, 1, 1, 2, 0, now())",
	} {
		if _, err := slow.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	for range 3 {
		if decision, err := place(t.Context(), store, other, "", nothing); err != nil || !decision.Accepted() {
			t.Fatalf("place: %+v, %v", decision, err)
		}
		newest, more, err := store.Ledger.Seal(t.Context(), 100, domainSeal)
		if err != nil || more || newest.Last != sealed {
			t.Fatalf("sealed past a transfer in flight: %+v, %t, %v", newest, more, err)
		}
	}
	if _, err := slow.Exec(t.Context(), "commit"); err != nil {
		t.Fatalf("commit: %v", err)
	}

	sealUpTo(t, store, lastTransfer(t, store))
	read := &recorder{}
	if err := store.Ledger.Read(t.Context(), read); err != nil {
		t.Fatalf("read: %v", err)
	}
	if !slices.ContainsFunc(read.transfers, func(tr domain.Transfer) bool { return tr.ID == sealed+1 && tr.Kind == domain.TransferDeposit }) {
		t.Errorf("the transfer in flight does not have the lower id: %+v", read.transfers)
	}
	chain, from := domain.Seal{}, 0
	for _, seal := range read.seals {
		until := from + int(seal.Count)
		if chain = chain.Next(read.transfers[from:until], seal.At); chain != seal {
			t.Errorf("got %+v, want %+v", seal, chain)
		}
		from = until
	}
	if from != len(read.transfers) {
		t.Errorf("%d transfers are sealed, want %d", from, len(read.transfers))
	}
}

// Only one replica seals at a time. Another one does nothing and does not wait.
func TestOneReplicaSealsAtATime(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	store := open(t, postgres.Config{URL: url})
	prepare(t, store)
	holder := connect(t, url)
	if _, err := holder.Exec(t.Context(), "select pg_advisory_lock(1, 2)"); err != nil {
		t.Fatalf("lock: %v", err)
	}
	newest, more, err := store.Ledger.Seal(t.Context(), 100, domainSeal)
	if err != nil || more || newest != (domain.Seal{}) {
		t.Errorf("got %+v, %t, %v, want nothing", newest, more, err)
	}
	if _, err := holder.Exec(t.Context(), "select pg_advisory_unlock(1, 2)"); err != nil {
		t.Fatalf("unlock: %v", err)
	}
	sealUpTo(t, store, lastTransfer(t, store))
}

// recorder records what it is shown of a ledger, and can end the reading with an error.
type recorder struct {
	seals     []domain.Seal
	transfers []domain.Transfer
	bets      []domain.Bet
	ofBets    [][]domain.Transfer
	order     []string // of transfers and seals
	onFirst   func()   // called with the first transfer
}

func (r *recorder) Seal(seal domain.Seal) error {
	r.seals, r.order = append(r.seals, seal), append(r.order, fmt.Sprintf("seal %d", seal.ID))
	return nil
}

func (r *recorder) Transfer(transfer domain.Transfer) error {
	if len(r.transfers) == 0 && r.onFirst != nil {
		r.onFirst()
	}
	r.transfers, r.order = append(r.transfers, transfer), append(r.order, fmt.Sprint(transfer.ID))
	return nil
}

func (*recorder) Wallet(domain.UserID, domain.Wallet) error { return nil }

func (*recorder) Event(domain.Event, int64, *money.Amount) error { return nil }

func (r *recorder) Bet(bet domain.Bet, transfers []domain.Transfer) error {
	r.bets, r.ofBets = append(r.bets, bet), append(r.ofBets, transfers)
	return nil
}

// Seals are shown after their last transfer, even in an order that only tampering can produce.
func TestReadLedgerShowsSealsWhereTheyEnd(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	store := open(t, postgres.Config{URL: url})
	user := prepare(t, store)
	execute(t, url, `insert into transfers (id, user_id, debit, credit, amount, kind, revision, at) overriding system value
		select id, $1, 4, 1, 1, 2, 0, now() from unnest('{5, 7, 9}'::bigint[]) id`, int64(user))
	execute(t, url, `insert into seals (id, last_transfer, count, hash, at)
		select 10 * n, last, 1, decode(repeat('00', 32), 'hex'), now()
		from unnest('{-3, 1, 6, 4, 9, 8, 9223372036854775807, 2}'::bigint[]) with ordinality seals (last, n)`)

	read := &recorder{}
	if err := store.Ledger.Read(t.Context(), read); err != nil {
		t.Fatalf("read: %v", err)
	}
	want := []string{"seal 10", "1", "seal 20", "5", "seal 30", "seal 40", "7", "9", "seal 50", "seal 60", "seal 70", "seal 80"}
	if !slices.Equal(read.order, want) {
		t.Errorf("got  %q\nwant %q", read.order, want)
	}
}

// Bets and their transfers are read in different pages. Transfers of bets that do not exist are shown
// where the bets would be.
func TestReadLedgerOfManyPages(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	store := open(t, postgres.Config{URL: url})
	user := prepare(t, store)
	const bets = 2500
	execute(t, url, `insert into bets (id, user_id, event_id, stake, coefficient, event_version, accepted_at)
		select 10 * n, $1, 1, 100, 145, 1, now() from generate_series(1, $2::integer) n`, int64(user), bets)
	// Each bet has two transfers, the later one with the lower revision. There are orphans before, among and after them.
	execute(t, url, `insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, at)
		select $1, 1, 2, 100, 4, 10 * n, r, now() from generate_series(1, 0, -1) r, generate_series(1, $2::integer) n`, int64(user), bets)
	execute(t, url, `insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, at)
		select $1, 1, 2, 100, 4, n, r, now() from unnest('{3, 5005, 90000}'::bigint[]) n, generate_series(1, 1500) r`, int64(user))

	read := &recorder{}
	if err := store.Ledger.Read(t.Context(), read); err != nil {
		t.Fatalf("read: %v", err)
	}

	if got, want := len(read.transfers), 1+2*bets+3*1500; got != want {
		t.Errorf("%d transfers, want %d", got, want)
	}
	if got, want := len(read.bets), bets+3; got != want {
		t.Fatalf("%d bets, want %d", got, want)
	}
	var orphans []domain.Bet
	for i, bet := range read.bets {
		if i > 0 && bet.ID <= read.bets[i-1].ID {
			t.Fatalf("bet %d comes after bet %d", bet.ID, read.bets[i-1].ID)
		}
		want := 2
		if bet.UserID == 0 {
			orphans, want = append(orphans, bet), 1500
		}
		transfers := read.ofBets[i]
		if len(transfers) != want || !slices.IsSortedFunc(transfers, func(a, b domain.Transfer) int { return int(a.ID - b.ID) }) {
			t.Fatalf("bet %d has the transfers %+v, want %d in order of id", bet.ID, transfers, want)
		}
		if slices.ContainsFunc(transfers, func(tr domain.Transfer) bool { return tr.BetID != bet.ID }) {
			t.Fatalf("bet %d has transfers of others: %+v", bet.ID, transfers)
		}
	}
	if want := []domain.Bet{{ID: 3}, {ID: 5005}, {ID: 90000}}; !reflect.DeepEqual(orphans, want) {
		t.Errorf("orphans %+v, want %+v", orphans, want)
	}
}

func TestReadLedgerSeesOneInstantAndStopsWithItsContext(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	store := open(t, postgres.Config{URL: url, Connections: 1})
	user := prepare(t, store)
	connections := store.Connected()
	read := &recorder{onFirst: func() {
		if _, err := place(t.Context(), store, user, "", nothing); err != nil {
			t.Errorf("place: %v", err)
		}
	}}
	if err := store.Ledger.Read(t.Context(), read); err != nil || len(read.transfers) != 1 || len(read.bets) != 0 {
		t.Errorf("a bet that came later is shown: %+v, %v", read, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	read = &recorder{onFirst: cancel}
	if err := store.Ledger.Read(ctx, read); !errors.Is(err, context.Canceled) || len(read.bets) != 0 {
		t.Errorf("the reading went on after the cancellation: %v, %+v", err, read.bets)
	}
	if _, err := store.Users.User(t.Context(), user); err != nil {
		t.Errorf("the connection cannot be used again: %v", err)
	}
	if got := store.Connected() - connections; got > 1 { // that for placing
		t.Errorf("%d connections were made, want 1", got)
	}
}

// Sealing decodes transfers by collect, and lists are decoded by pgx. Both return the same: with and
// without a bet and a reference, and for numbers and instants of any size.
func TestSealDecodesTransfersAsPgxDoes(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	store := open(t, postgres.Config{URL: url})
	user := prepare(t, store)
	execute(t, url, `insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, reference, at)
		select `+id(user)+`, debit, credit, amount, kind, bet_id, revision, reference, at
		from (values
			(4, 1, 1::bigint, 1, null::bigint, 0::bigint, '', '2026-11-23 12:00:00.123456+03'::timestamptz),
			(1, 5, 9223372036854775807, 10, 9223372036854775807, 9223372036854775807, 'Überweisung "7"', '9999-12-31 23:59:59.999999+00'),
			(5, 3, 2, 3, 1, -1, 'r', '1999-12-31 23:59:59.999999+00'),
			(2, 3, 3, 4, 2, 1, '', '0001-01-01 00:00:00+00')
		) as t (debit, credit, amount, kind, bet_id, revision, reference, at)`)
	want, err := store.Wallets.Transfers(t.Context(), ports.TransferFilter{}, 100)
	if err != nil || len(want) < 4 {
		t.Fatalf("got %v, %v", want, err)
	}
	slices.Reverse(want) // the newest come first
	var got []domain.Transfer
	for giveUp := time.Now().Add(time.Minute); len(got) < len(want) && time.Now().Before(giveUp); {
		_, _, err := store.Ledger.Seal(t.Context(), 3, func(newest domain.Seal, transfers []domain.Transfer, now time.Time) domain.Seal {
			got = append(got, transfers...)
			return newest.Next(transfers, now)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d transfers were sealed, want %d", len(got), len(want))
	}
	for i := range want {
		if canonical := string(want[i].AppendCanonical(nil)); string(got[i].AppendCanonical(nil)) != canonical || !got[i].At.Equal(want[i].At) {
			t.Errorf("got\n%+v, want\n%+v", got[i], want[i])
		}
	}
}
