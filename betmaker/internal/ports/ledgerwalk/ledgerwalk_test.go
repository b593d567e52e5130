package ledgerwalk_test

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"testing"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports/ledgerwalk"
	"stavka.local/shared/money"
)

// listing lists what it is shown, and refuses the entry named in refuse.
type listing struct {
	entries []string
	refuse  string
}

var errRefused = errors.New("refused")

func (l *listing) add(format string, args ...any) error {
	entry := fmt.Sprintf(format, args...)
	l.entries = append(l.entries, entry)
	if entry == l.refuse {
		return errRefused
	}
	return nil
}

func (l *listing) Seal(s domain.Seal) error { return l.add("seal %d", s.ID) }

func (l *listing) Transfer(t domain.Transfer) error { return l.add("transfer %d", t.ID) }

func (l *listing) Wallet(user domain.UserID, w domain.Wallet) error {
	return l.add("wallet %d: %s", user, w.Balance)
}

func (l *listing) Event(e domain.Event, settled int64, liability *money.Amount) error {
	return l.add("event %d: %d, %v", e.ID, settled, liability)
}

func (l *listing) Bet(b domain.Bet, transfers []domain.Transfer) error {
	entry := fmt.Sprintf("bet %d of %d:", b.ID, b.UserID)
	for _, t := range transfers {
		entry += fmt.Sprintf(" %d", t.ID)
	}
	return l.add("%s", entry)
}

func sequence[T any](values ...T) iter.Seq2[T, error] { return ending(nil, values...) }

// ending is a sequence that ends in an error, if it is not nil.
func ending[T any](err error, values ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, value := range values {
			if !yield(value, nil) {
				return
			}
		}
		if err != nil {
			yield(*new(T), err)
		}
	}
}

func transfers(ids ...domain.TransferID) []domain.Transfer {
	list := make([]domain.Transfer, len(ids))
	for i, id := range ids {
		list[i].ID = id
	}
	return list
}

func seals(lasts ...domain.TransferID) []domain.Seal {
	list := make([]domain.Seal, len(lasts))
	for i, last := range lasts {
		list[i] = domain.Seal{ID: int64(i + 1), Last: last}
	}
	return list
}

func betTransfer(id domain.TransferID, bet domain.BetID) domain.Transfer {
	return domain.Transfer{ID: id, BetID: bet}
}

func bets(ids ...domain.BetID) []domain.Bet {
	list := make([]domain.Bet, len(ids))
	for i, id := range ids {
		list[i] = domain.Bet{ID: id, UserID: 7}
	}
	return list
}

// whole is a ledger with something of everything.
func whole() ledgerwalk.Ledger {
	return ledgerwalk.Ledger{
		Seals:        sequence(seals(2)...),
		Transfers:    sequence(transfers(1, 2, 3)...),
		Wallets:      sequence(ledgerwalk.Wallet{User: 7, Wallet: domain.Wallet{Balance: money.MustParse("1.00")}}),
		Events:       sequence(ledgerwalk.Event{Event: domain.Event{LineEvent: domain.LineEvent{ID: 8}}, Settled: 9}),
		Bets:         sequence(bets(4)...),
		BetTransfers: sequence(betTransfer(3, 4)),
	}
}

var wholeShown = []string{
	"transfer 1", "transfer 2", "seal 1", "transfer 3", "wallet 7: 1.00", "event 8: 9, <nil>", "bet 4 of 7: 3",
}

func TestWalk(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*ledgerwalk.Ledger)
		want   []string // of seals, transfers and bets
	}{
		"shows everything in order": {
			change: func(*ledgerwalk.Ledger) {},
			want:   wholeShown,
		},
		"shows seals where they end": {
			change: func(l *ledgerwalk.Ledger) {
				l.Seals, l.Transfers = sequence(seals(-3, 1, 6, 4, 9, 8, math.MaxInt64, 2)...), sequence(transfers(1, 5, 7, 9)...)
			},
			want: []string{
				"seal 1", "transfer 1", "seal 2", "transfer 5", "seal 3", "seal 4", "transfer 7", "transfer 9",
				"seal 5", "seal 6", "seal 7", "seal 8", "wallet 7: 1.00", "event 8: 9, <nil>", "bet 4 of 7: 3",
			},
		},
		"shows transfers without a bet where the bet would be": {
			change: func(l *ledgerwalk.Ledger) {
				l.Seals, l.Transfers = sequence[domain.Seal](), sequence[domain.Transfer]()
				l.Bets = sequence(bets(2, 3, 5)...)
				l.BetTransfers = sequence(
					betTransfer(9, -5), betTransfer(6, 2), betTransfer(1, 2), betTransfer(2, 4), betTransfer(3, 5), betTransfer(8, 6), betTransfer(7, 6),
				)
			},
			want: []string{
				"wallet 7: 1.00", "event 8: 9, <nil>",
				"bet -5 of 0: 9", "bet 2 of 7: 1 6", "bet 3 of 7:", "bet 4 of 0: 2", "bet 5 of 7: 3", "bet 6 of 0: 7 8",
			},
		},
		"shows nothing of an empty ledger": {
			change: func(l *ledgerwalk.Ledger) {
				*l = ledgerwalk.Ledger{
					Seals: sequence[domain.Seal](), Transfers: sequence[domain.Transfer](), Wallets: sequence[ledgerwalk.Wallet](),
					Events: sequence[ledgerwalk.Event](), Bets: sequence[domain.Bet](), BetTransfers: sequence[domain.Transfer](),
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ledger := whole()
			c.change(&ledger)
			var got listing
			if err := ledgerwalk.Walk(ledger, &got); err != nil {
				t.Fatalf("walk: %v", err)
			}
			if !slices.Equal(got.entries, c.want) {
				t.Errorf("got  %q\nwant %q", got.entries, c.want)
			}
		})
	}
}

func TestWalkEndsWithAnErrorOfTheReader(t *testing.T) {
	t.Parallel()
	for i, entry := range wholeShown {
		got := listing{refuse: entry}
		if err := ledgerwalk.Walk(whole(), &got); err != errRefused { //nolint:errorlint // unchanged
			t.Errorf("%s: got the error %v", entry, err)
		}
		if !slices.Equal(got.entries, wholeShown[:i+1]) {
			t.Errorf("%s: got %q", entry, got.entries)
		}
	}
	orphan := whole()
	orphan.Bets = sequence[domain.Bet]()
	if err := ledgerwalk.Walk(orphan, &listing{refuse: "bet 4 of 0: 3"}); !errors.Is(err, errRefused) {
		t.Errorf("a transfer without a bet: got the error %v", err)
	}
}

func TestWalkEndsWithAnErrorOfASequence(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		change func(*ledgerwalk.Ledger)
		shown  int // entries of wholeShown
	}{
		"the first seal":          {func(l *ledgerwalk.Ledger) { l.Seals = ending[domain.Seal](broken) }, 0},
		"the second seal":         {func(l *ledgerwalk.Ledger) { l.Seals = ending(broken, seals(2)...) }, 3},
		"the second transfer":     {func(l *ledgerwalk.Ledger) { l.Transfers = ending(broken, transfers(1)...) }, 1},
		"the first wallet":        {func(l *ledgerwalk.Ledger) { l.Wallets = ending[ledgerwalk.Wallet](broken) }, 4},
		"the first event":         {func(l *ledgerwalk.Ledger) { l.Events = ending[ledgerwalk.Event](broken) }, 5},
		"the first bet":           {func(l *ledgerwalk.Ledger) { l.Bets = ending[domain.Bet](broken) }, 6},
		"the second bet":          {func(l *ledgerwalk.Ledger) { l.Bets = ending(broken, bets(4)...) }, 7},
		"a bet's first transfer":  {func(l *ledgerwalk.Ledger) { l.BetTransfers = ending[domain.Transfer](broken) }, 6},
		"a bet's second transfer": {func(l *ledgerwalk.Ledger) { l.BetTransfers = ending(broken, betTransfer(3, 4)) }, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ledger := whole()
			c.change(&ledger)
			var got listing
			if err := ledgerwalk.Walk(ledger, &got); err != broken { //nolint:errorlint // unchanged
				t.Errorf("got the error %v", err)
			}
			if !slices.Equal(got.entries, wholeShown[:c.shown]) {
				t.Errorf("shown before the error: %q, want %q", got.entries, wholeShown[:c.shown])
			}
		})
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	const size = 3
	for rows, want := range map[int]int{0: 1, 2: 1, 3: 2, 7: 3} { // pages
		fetched := 0
		fetch := func(last int) (page []int, err error) {
			fetched++
			for row := last + 1; row <= rows && len(page) < size; row++ {
				page = append(page, row)
			}
			return page, nil
		}
		got, next := 0, 1
		for value, err := range ledgerwalk.Pages(size, 0, fetch, func(row int) (string, error) { return fmt.Sprint(row), nil }) {
			if err != nil || value != fmt.Sprint(next) {
				t.Errorf("of %d rows: got %q, %v, want %d", rows, value, err, next)
			}
			got, next = got+1, next+1
		}
		if got != rows || fetched != want {
			t.Errorf("of %d rows: %d values in %d pages, want %d pages", rows, got, fetched, want)
		}
	}
}

func TestPagesEndWithAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	same := func(row int) (int, error) { return row, nil }
	onePage := func(last int) ([]int, error) {
		if last == 0 {
			return []int{1, 2}, nil
		}
		return nil, broken
	}
	badRow := func(row int) (int, error) {
		if row == 2 {
			return 0, broken
		}
		return row, nil
	}
	for name, c := range map[string]struct {
		pages iter.Seq2[int, error]
		want  []int
	}{
		"of a fetch": {ledgerwalk.Pages(2, 0, onePage, same), []int{1, 2}},
		"of a row":   {ledgerwalk.Pages(2, 0, onePage, badRow), []int{1}},
	} {
		var values []int
		var errs []error
		for value, err := range c.pages {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			values = append(values, value)
		}
		if !slices.Equal(values, c.want) || !slices.Equal(errs, []error{broken}) {
			t.Errorf("%s: got %v and the errors %v, want %v", name, values, errs, c.want)
		}
	}
}
