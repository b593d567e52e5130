package portstest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// Ledger is the suite of ports.Ledger.
func Ledger(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"shows everything":               showsLedger,
		"ends on an error of the reader": endsReading,
		"seals all transfers":            sealsTransfers,
		"seals each transfer once":       sealsOnce,
	})
}

// shown is a reader that records a ledger.
type shown struct {
	seals       []domain.Seal
	sealedAt    []int // how many transfers were shown before each seal
	transfers   []domain.Transfer
	users       []domain.UserID
	wallets     []domain.Wallet
	events      []domain.Event
	settled     []int64
	liabilities []*money.Amount
	bets        []domain.Bet
	ofBets      [][]domain.Transfer
	order       []string
	enough      error // returned for the first transfer
}

func (r *shown) note(what string) {
	if len(r.order) == 0 || r.order[len(r.order)-1] != what {
		r.order = append(r.order, what)
	}
}

func (r *shown) Seal(seal domain.Seal) error {
	r.note("transfers and seals")
	r.seals, r.sealedAt = append(r.seals, seal), append(r.sealedAt, len(r.transfers))
	return nil
}

func (r *shown) Transfer(transfer domain.Transfer) error {
	r.note("transfers and seals")
	r.transfers = append(r.transfers, transfer)
	return r.enough
}

func (r *shown) Wallet(user domain.UserID, wallet domain.Wallet) error {
	r.note("wallets")
	r.users, r.wallets = append(r.users, user), append(r.wallets, wallet)
	return nil
}

func (r *shown) Event(event domain.Event, settled int64, liability *money.Amount) error {
	r.note("events")
	r.events, r.settled, r.liabilities = append(r.events, event), append(r.settled, settled), append(r.liabilities, liability)
	return nil
}

func (r *shown) Bet(bet domain.Bet, transfers []domain.Transfer) error {
	r.note("bets")
	// The slice may be used for the next bet.
	r.bets, r.ofBets = append(r.bets, bet), append(r.ofBets, append([]domain.Transfer(nil), transfers...))
	return nil
}

// seal seals up to limit transfers.
func seal(ctx context.Context, s Stores, limit int) (domain.Seal, bool, error) {
	return s.Ledger.Seal(ctx, limit, func(newest domain.Seal, transfers []domain.Transfer, now time.Time) domain.Seal {
		return newest.Next(transfers, now)
	})
}

// sealAll seals until every transfer is sealed. No transfer may be written meanwhile.
func sealAll(t *testing.T, s Stores, limit int) domain.Seal {
	t.Helper()
	last := transfersShown(t, s)
	for giveUp := time.Now().Add(30 * time.Second); ; {
		newest, more, err := seal(t.Context(), s, limit)
		ok(t, err)
		if !more && newest.Last == last[len(last)-1].ID {
			return newest
		}
		isTrue(t, time.Now().Before(giveUp), "everything is sealed in the end: %+v, %t", newest, more)
	}
}

func transfersShown(t *testing.T, s Stores) []domain.Transfer {
	t.Helper()
	r := &shown{}
	ok(t, s.Ledger.Read(t.Context(), r))
	return r.transfers
}

func showsLedger(t *testing.T, s Stores) {
	user, other := addUserWith(t, s, "bella", "100.00"), addUserWith(t, s, "other", "50.00")
	addOpenEvents(t, s, 2)
	_, err := placeWithin(t.Context(), s, withLiability("100.00"), bet(user, 2))
	ok(t, err)
	first := allBets(t, s, ports.BetFilter{})[0]
	second := placeBet(t, s, bet(other, 1))
	finish(t, s, 1, domain.StateFinishedWin)
	_, err = settle(t.Context(), s, 1, 10)
	ok(t, err)
	newest := sealAll(t, s, 3)

	r := &shown{}
	ok(t, s.Ledger.Read(t.Context(), r))
	equal(t, r.order, []string{"transfers and seals", "wallets", "events", "bets"})
	equal(t, r.seals[len(r.seals)-1], newest)
	for i, at := range r.sealedAt {
		last := r.seals[i].Last
		isTrue(t, r.transfers[at-1].ID == last && (i == 0 || at > r.sealedAt[i-1]), "seal %+v comes right after its last transfer, not after %d", r.seals[i], at)
	}
	equal(t, len(r.transfers), 6)
	for i := range r.transfers[1:] {
		isTrue(t, r.transfers[i].ID < r.transfers[i+1].ID, "in order: %+v", r.transfers)
	}
	equal(t, r.users, []domain.UserID{user, other})
	equal(t, r.wallets, []domain.Wallet{readWallet(t, s, user), readWallet(t, s, other)})
	equal(t, len(r.events), 2)
	equal(t, r.settled, []int64{1, 0})
	isTrue(t, r.liabilities[0] == nil && r.liabilities[1] != nil && *r.liabilities[1] == money.MustParse("4.50"), "stored liabilities: %v", r.liabilities)
	equal(t, r.bets, []domain.Bet{first, readBet(t, s, second.ID)})
	equal(t, entries(r.ofBets[0]), []entry{{wallet, escrow, "10.00", domain.TransferStake, 0}})
	equal(t, entries(r.ofBets[1]), []entry{
		{wallet, escrow, "10.00", domain.TransferStake, 0},
		{escrow, wallet, "10.00", domain.TransferPayout, 1}, {house, wallet, "4.50", domain.TransferPayout, 1},
	})
}

func endsReading(t *testing.T, s Stores) {
	addUsers(t, s, 3)
	r := &shown{enough: errors.New("enough")}
	isError(t, s.Ledger.Read(t.Context(), r), r.enough)
	equal(t, len(r.transfers), 1)
}

func sealsTransfers(t *testing.T, s Stores) {
	newest, more, err := seal(t.Context(), s, 10)
	ok(t, err)
	equal(t, newest, domain.Seal{})
	isTrue(t, !more, "there is nothing to seal")
	addUsers(t, s, 5)
	before := clock(t, s)
	newest = sealAll(t, s, 2)
	equal(t, newest.ID, 3)

	r := &shown{}
	ok(t, s.Ledger.Read(t.Context(), r))
	chain, from := domain.Seal{}, 0
	for _, seal := range r.seals {
		until := from + int(seal.Count)
		chain = chain.Next(r.transfers[from:until], seal.At)
		equal(t, seal, chain)
		isTrue(t, !seal.At.Before(before) && !seal.At.After(clock(t, s)), "sealed by the store's clock: %s", seal.At)
		from = until
	}
	equal(t, from, 5)
	again, more, err := seal(t.Context(), s, 2)
	ok(t, err)
	equal(t, again, newest)
	isTrue(t, !more, "everything is sealed")
}

// sealsOnce runs several sealers while bets are placed.
func sealsOnce(t *testing.T, s Stores) {
	users := addUsers(t, s, 5)
	addOpenEvents(t, s, 1)
	done := make(chan struct{})
	var sealing sync.WaitGroup
	for range 3 {
		sealing.Go(func() {
			for {
				if _, _, err := seal(t.Context(), s, 7); err != nil {
					t.Errorf("seal: %v", err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	together(t, 5, func(i int) error {
		for range 20 {
			if _, err := tryPlace(t.Context(), s, bet(users[i], 1), bet(users[i], 1)); err != nil {
				return err
			}
		}
		return nil
	})
	close(done)
	sealing.Wait()
	newest := sealAll(t, s, 1000)
	r := &shown{}
	ok(t, s.Ledger.Read(t.Context(), r))
	chain, from := domain.Seal{}, 0
	for _, seal := range r.seals {
		chain = chain.Next(r.transfers[from:from+int(seal.Count)], seal.At)
		equal(t, seal, chain)
		from += int(seal.Count)
	}
	equal(t, chain, newest)
	equal(t, from, len(r.transfers))
}
