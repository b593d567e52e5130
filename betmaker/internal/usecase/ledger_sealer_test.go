package usecase_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/money"
)

// fakeLedger holds deposits to user 1 in memory.
type fakeLedger struct {
	mu        sync.Mutex
	transfers []domain.Transfer
	seals     []domain.Seal
	wallet    domain.Wallet
	err       error // returned by sealing and reading
	reads     int
}

func (l *fakeLedger) deposit(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		transfer := domain.Transfer{
			ID: domain.TransferID(len(l.transfers) + 1), UserID: 1, Debit: domain.AccountExternal, Credit: domain.AccountWallet,
			Amount: money.FromMinor(1), Kind: domain.TransferDeposit, At: time.Now(),
		}
		l.transfers = append(l.transfers, transfer)
		l.wallet = l.wallet.After(transfer)
	}
}

func (l *fakeLedger) change(edit func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	edit()
}

func (l *fakeLedger) readings() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reads
}

func (l *fakeLedger) head() domain.Seal {
	if len(l.seals) == 0 {
		return domain.Seal{}
	}
	return l.seals[len(l.seals)-1]
}

func (l *fakeLedger) Seal(
	ctx context.Context, limit int, seal func(domain.Seal, []domain.Transfer, time.Time) domain.Seal,
) (domain.Seal, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := errors.Join(l.err, ctx.Err()); err != nil {
		return domain.Seal{}, false, err
	}
	rest := l.transfers[l.head().Last:]
	if len(rest) == 0 {
		return l.head(), false, nil
	}
	n := min(limit, len(rest))
	l.seals = append(l.seals, seal(l.head(), rest[:n], time.Now()))
	return l.head(), n < len(rest), nil
}

func (l *fakeLedger) Read(_ context.Context, reader ports.LedgerReader) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	seals := l.seals
	for _, transfer := range l.transfers {
		_ = reader.Transfer(transfer)
		if len(seals) > 0 && seals[0].Last == transfer.ID {
			_ = reader.Seal(seals[0])
			seals = seals[1:]
		}
	}
	if l.err != nil {
		return l.err
	}
	return reader.Wallet(1, l.wallet)
}

// running is a sealer that runs until it is stopped.
type running struct {
	*usecase.LedgerSealer

	ledger *fakeLedger
	log    bytes.Buffer
	heads  []domain.Seal // reported by the sealer
	stop   func()
}

func runSealer(t *testing.T) *running {
	t.Helper()
	r := &running{ledger: &fakeLedger{}}
	r.LedgerSealer = usecase.NewLedgerSealer(usecase.LedgerSealerConfig{
		Ledger: r.ledger, Logger: slog.New(slog.NewTextHandler(&r.log, nil)),
		Sealed: func(head domain.Seal) { r.heads = append(r.heads, head) },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return r
}

func TestSealer(t *testing.T) {
	t.Parallel()
	const published = `msg="ledger sealed"`
	t.Run("seals what was done within a second, in batches, without a pause between them", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := runSealer(t)
			defer r.stop()
			synctest.Wait()
			r.ledger.deposit(2500)
			time.Sleep(time.Second)
			synctest.Wait()
			if len(r.heads) != 3 || r.heads[2].Last != 2500 || r.heads[0].Count != 1000 || r.Head() != r.heads[2] {
				t.Errorf("the heads are %v, want three seals up to 2500", r.heads)
			}
		})
	})
	t.Run("publishes the head once a minute and at the stop", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := runSealer(t)
			for range 150 {
				r.ledger.deposit(1)
				time.Sleep(time.Second)
			}
			r.ledger.deposit(1)
			r.stop()
			if got := strings.Count(r.log.String(), published); got != 4 {
				t.Errorf("published %d times, want 4:\n%s", got, r.log.String())
			}
			last := r.ledger.head()
			if last.Last != 151 || !strings.Contains(r.log.String(), last.String()) {
				t.Errorf("the last is %v, want the one of transfer 151, in the log:\n%s", last, r.log.String())
			}
		})
	})
	t.Run("logs nothing when there is nothing to seal", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := runSealer(t)
			time.Sleep(time.Hour)
			r.stop()
			if len(r.heads) != 0 || r.log.Len() != 0 {
				t.Errorf("heads %v, log %s", r.heads, r.log.String())
			}
		})
	})
	t.Run("goes on after an error, which it logs once", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := runSealer(t)
			defer r.stop()
			r.ledger.change(func() { r.ledger.err = errors.New("no store") })
			r.ledger.deposit(1)
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := strings.Count(r.log.String(), "no store"); got != 1 || len(r.heads) != 0 {
				t.Errorf("logged %d times, want once:\n%s", got, r.log.String())
			}
			r.ledger.change(func() { r.ledger.err = nil })
			time.Sleep(time.Second)
			synctest.Wait()
			if len(r.heads) != 1 {
				t.Errorf("the heads are %v, want one", r.heads)
			}
		})
	})
	t.Run("still expects a seal that was cut off", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := runSealer(t)
			defer r.stop()
			r.ledger.deposit(2000)
			time.Sleep(time.Second)
			synctest.Wait()
			was := r.Head()
			r.ledger.change(func() { r.ledger.seals, r.ledger.transfers = r.ledger.seals[:1], r.ledger.transfers[:1000] })
			time.Sleep(time.Second)
			r.ledger.deposit(3000) // beyond the former end
			time.Sleep(time.Second)
			synctest.Wait()
			if r.Head() != was || !strings.Contains(r.log.String(), "CUT OFF") {
				t.Errorf("expects %v, want %v, and an alarm:\n%s", r.Head(), was, r.log.String())
			}
			if newest := r.heads[len(r.heads)-1]; newest.Last != 4000 {
				t.Errorf("sealed up to %d, want 4000", newest.Last)
			}
		})
	})
}

func TestChecker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ledger, log := &fakeLedger{}, bytes.Buffer{}
		var reports []domain.LedgerReport
		var head atomic.Int64
		checker := usecase.NewLedgerChecker(usecase.LedgerCheckerConfig{
			Ledger: ledger, Interval: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Expected: func() domain.Seal { return domain.Seal{ID: head.Load()} },
			Checked:  func(report domain.LedgerReport, _ time.Duration) { reports = append(reports, report) },
		})
		ledger.deposit(3)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- checker.Run(ctx) }()

		time.Sleep(59 * time.Second)
		synctest.Wait()
		if ledger.readings() != 0 {
			t.Error("checked before the first delay")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(reports) != 1 || reports[0].Transfers != 3 || strings.Contains(log.String(), "ERROR") {
			t.Fatalf("after the first delay there are %+v\n%s", reports, log.String())
		}

		// A failed check is repeated earlier.
		ledger.change(func() { ledger.err = ports.ErrUnavailable.Because(errors.New("no store")) })
		time.Sleep(time.Hour)
		ledger.change(func() { ledger.err = nil })
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(reports) != 2 || ledger.readings() != 3 || !strings.Contains(log.String(), "no store") || strings.Contains(log.String(), "ERROR") {
			t.Fatalf("after an hour and a minute there are %+v\n%s", reports, log.String())
		}

		// Findings are reported, and so is a missing head.
		ledger.change(func() { ledger.wallet.Balance = money.FromMinor(1000) })
		head.Store(1)
		time.Sleep(time.Hour)
		synctest.Wait()

		// An unreadable row is reported too.
		ledger.change(func() { ledger.err = errors.New("bet 7: strange") })
		time.Sleep(time.Hour)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(reports) != 4 || reports[2].Found[domain.FindingWallet] != 1 || reports[2].Found[domain.FindingHead] != 1 {
			t.Fatalf("two hours later there are %+v", reports)
		}
		if reports[3].Found[domain.FindingUnreadable] != 1 {
			t.Errorf("in the end there is %+v", reports[3])
		}
		for _, want := range []string{"level=ERROR", "findings=2", "wallet_differs: wallet 1", "head_missing: seal 1", "unreadable: ledger: cannot be read to its end, and the rest is not checked: bet 7: strange"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%q is not in the log:\n%s", want, log.String())
			}
		}
	})
}

func TestVerifyLedgerReportsProgress(t *testing.T) {
	t.Parallel()
	ledger := &fakeLedger{}
	ledger.deposit(2500)
	var reports []int64
	report, err := usecase.VerifyLedger(t.Context(), ledger, domain.Seal{}, func(transfers, _ int64) { reports = append(reports, transfers) })
	if err != nil || report.Transfers != 2500 || len(reports) != 2 || reports[1] != 2000 {
		t.Errorf("progress %v, got %+v, %v", reports, report, err)
	}
	ledger.err = ports.ErrUnavailable
	if _, err := usecase.VerifyLedger(t.Context(), ledger, domain.Seal{}, func(int64, int64) {}); !errors.Is(err, ledger.err) {
		t.Errorf("got %v, want the store's error", err)
	}
}
