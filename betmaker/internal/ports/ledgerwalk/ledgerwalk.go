// Package ledgerwalk shows a stored ledger to a ports.LedgerReader in the order that the port
// promises. A store supplies sequences, each in its own order; Walk merges them.
package ledgerwalk

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
)

// Ledger is the ledger of a store. Each sequence is read once, and seals beside
// transfers, and the transfers of bets beside bets, are read alternately. An error ends the walk.
type Ledger struct {
	Seals     iter.Seq2[domain.Seal, error]     // by id
	Transfers iter.Seq2[domain.Transfer, error] // by id
	Wallets   iter.Seq2[Wallet, error]          // by user
	Events    iter.Seq2[Event, error]           // by id
	Bets      iter.Seq2[domain.Bet, error]      // by id
	// BetTransfers is the transfers that have a bet, by bet. The transfers of one bet may come in
	// any order.
	BetTransfers iter.Seq2[domain.Transfer, error]
}

// Wallet is a wallet and its user.
type Wallet struct {
	User   domain.UserID
	Wallet domain.Wallet
}

// Event is an event with what the store keeps beside it, see ports.LedgerReader.
type Event struct {
	Event     domain.Event
	Settled   int64
	Liability *money.Amount
}

// Walk shows the ledger to reader. It returns the first error of a sequence or of reader, unchanged.
func Walk(ledger Ledger, reader ports.LedgerReader) error {
	if err := walkTransfers(ledger, reader); err != nil {
		return err
	}
	err := each(ledger.Wallets, func(w Wallet) error { return reader.Wallet(w.User, w.Wallet) })
	if err != nil {
		return err
	}
	err = each(ledger.Events, func(e Event) error { return reader.Event(e.Event, e.Settled, e.Liability) })
	if err != nil {
		return err
	}
	return walkBets(ledger, reader)
}

// walkTransfers shows each seal before the first transfer beyond it.
func walkTransfers(ledger Ledger, reader ports.LedgerReader) error {
	seals, stop := start(ledger.Seals)
	defer stop()
	showSeals := func(upTo domain.TransferID) error {
		return seals.takeWhile(func(s domain.Seal) bool { return s.Last <= upTo }, reader.Seal)
	}
	err := each(ledger.Transfers, func(t domain.Transfer) error {
		if err := showSeals(t.ID - 1); err != nil {
			return err
		}
		return reader.Transfer(t)
	})
	if err != nil {
		return err
	}
	return showSeals(math.MaxInt64)
}

// walkBets shows each bet with its transfers, and the transfers of a missing bet where it would be.
func walkBets(ledger Ledger, reader ports.LedgerReader) error {
	groups, stop := start(byBet(ledger.BetTransfers))
	defer stop()
	showOrphans := func(upTo domain.BetID) error {
		return groups.takeWhile(
			func(group []domain.Transfer) bool { return group[0].BetID <= upTo },
			func(group []domain.Transfer) error { return reader.Bet(domain.Bet{ID: group[0].BetID}, group) },
		)
	}
	err := each(ledger.Bets, func(bet domain.Bet) error {
		if err := showOrphans(bet.ID - 1); err != nil {
			return err
		}
		var transfers []domain.Transfer
		err := groups.takeWhile(
			func(group []domain.Transfer) bool { return group[0].BetID == bet.ID },
			func(group []domain.Transfer) error { transfers = group; return nil },
		)
		if err != nil {
			return err
		}
		return reader.Bet(bet, transfers)
	})
	if err != nil {
		return err
	}
	return showOrphans(math.MaxInt64)
}

// byBet groups transfers by bet. Each group is a new slice, ordered by id.
func byBet(transfers iter.Seq2[domain.Transfer, error]) iter.Seq2[[]domain.Transfer, error] {
	return func(yield func([]domain.Transfer, error) bool) {
		var group []domain.Transfer
		flush := func() bool {
			slices.SortFunc(group, func(a, b domain.Transfer) int { return cmp.Compare(a.ID, b.ID) })
			return len(group) == 0 || yield(group, nil)
		}
		for transfer, err := range transfers {
			if err != nil {
				yield(nil, err)
				return
			}
			if len(group) > 0 && group[0].BetID != transfer.BetID {
				if !flush() {
					return
				}
				group = nil
			}
			group = append(group, transfer)
		}
		flush()
	}
}

// cursor reads a sequence value by value. It holds the first value that has not been taken.
type cursor[T any] struct {
	next func() (T, error, bool)
	held bool
	head T
}

// start returns a cursor before the first value, and a function that ends it.
func start[T any](values iter.Seq2[T, error]) (*cursor[T], func()) {
	next, stop := iter.Pull2(values)
	return &cursor[T]{next: next}, stop
}

// takeWhile passes values to take, up to the first that does not belong.
func (c *cursor[T]) takeWhile(belongs func(T) bool, take func(T) error) error {
	for {
		if !c.held {
			value, err, more := c.next()
			if err != nil || !more {
				return err
			}
			c.head, c.held = value, true
		}
		if !belongs(c.head) {
			return nil
		}
		c.held = false
		if err := take(c.head); err != nil {
			return err
		}
	}
}

func each[T any](values iter.Seq2[T, error], do func(T) error) error {
	for value, err := range values {
		if err != nil {
			return err
		}
		if err := do(value); err != nil {
			return err
		}
	}
	return nil
}

// Pages returns the values of rows that are read page by page. fetch returns up to size rows after the
// row last; the first page begins after the row before, which need not exist. A shorter page is the last
// one. An error of fetch or valueOf ends the sequence.
func Pages[Row, Value any](
	size int, before Row, fetch func(last Row) ([]Row, error), valueOf func(Row) (Value, error),
) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		for last := before; ; {
			rows, err := fetch(last)
			if err != nil {
				yield(*new(Value), err)
				return
			}
			for _, row := range rows {
				if value, err := valueOf(row); !yield(value, err) || err != nil {
					return
				}
			}
			if len(rows) < size {
				return
			}
			last = rows[len(rows)-1]
		}
	}
}
