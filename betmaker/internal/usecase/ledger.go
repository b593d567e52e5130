package usecase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

const (
	// sealLimit bounds the transfers of one seal, and with them the transaction that makes it.
	sealLimit = 1000
	// sealInterval is the time between looks for transfers to seal: for about so long a
	// transfer can be changed without its seal being wrong.
	sealInterval = time.Second
	// sealGrace bounds the last seal, of what was done until the stop.
	sealGrace = 2 * time.Second
	// sealLogInterval is the least time between two heads in the log.
	sealLogInterval = time.Minute

	// checkDelay is the time from the start to the first check: not when there is enough to do.
	checkDelay = time.Minute
	// checkRetry is the longest time to the next check after one that could not be made.
	checkRetry = time.Minute
	// loggedFindings bounds the findings of one check in the log. The others are to be had
	// from the command.
	loggedFindings = 10

	// progressStep is how many rows are checked between two words about it.
	progressStep = 1000
)

// LedgerProgress is told, now and then, how many transfers and bets have been checked.
type LedgerProgress func(transfers, bets int64)

// VerifyLedger inspects all that concerns money, as it is now, and returns what it found;
// an error means that it could not. expected is a seal that must be there, the zero Seal
// for none. What is stored and cannot be read is a finding, which ends the inspection: the
// store has not written it like that, and trying again would not help.
func VerifyLedger(ctx context.Context, ledger ports.Ledger, expected domain.Seal, progress LedgerProgress) (domain.LedgerReport, error) {
	inspection := domain.NewInspection(expected)
	err := ledger.Read(ctx, &watchedInspection{Inspection: inspection, tell: progress})
	switch {
	case err == nil:
		return inspection.Report(), nil
	case errors.Is(err, ports.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return domain.LedgerReport{}, fmt.Errorf("read the ledger: %w", err)
	default:
		return inspection.Unreadable(err), nil
	}
}

// watchedInspection tells how far an inspection has got.
type watchedInspection struct {
	*domain.Inspection

	tell            LedgerProgress
	transfers, bets int64
}

// Transfer implements ports.LedgerReader.
func (w *watchedInspection) Transfer(transfer domain.Transfer) error {
	if w.transfers++; w.transfers%progressStep == 0 {
		w.tell(w.transfers, w.bets)
	}
	return w.Inspection.Transfer(transfer)
}

// Bet implements ports.LedgerReader.
func (w *watchedInspection) Bet(bet domain.Bet, transfers []domain.Transfer) error {
	if w.bets++; w.bets%progressStep == 0 {
		w.tell(w.transfers, w.bets)
	}
	return w.Inspection.Bet(bet, transfers)
}

// LedgerSealerConfig is what a LedgerSealer works with. All of it is required.
type LedgerSealerConfig struct {
	Ledger ports.Ledger
	Logger *slog.Logger
	// Sealed is told of the newest seal, at the start and whenever it is another one.
	Sealed func(head domain.Seal)
}

// LedgerSealer seals transfers soon after they have been made, whoever made them. It does
// so apart from what makes them, which never waits for it. Several sealers take turns.
type LedgerSealer struct {
	LedgerSealerConfig

	mu     sync.Mutex
	head   domain.Seal // the newest seal that there must be
	newest domain.Seal // the newest seal that there is
	cutOff bool        // head is not there any more, or is another one

	// Of Run alone.

	logged   domain.Seal
	loggedAt time.Time
	failing  bool
}

// NewLedgerSealer returns a LedgerSealer, which seals while Run runs.
func NewLedgerSealer(config LedgerSealerConfig) *LedgerSealer {
	return &LedgerSealer{LedgerSealerConfig: config}
}

// Head returns the newest seal that there must be, as far as is known; the zero Seal for none.
func (s *LedgerSealer) Head() domain.Seal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// Run seals until ctx ends, and what has been done until then, too.
func (s *LedgerSealer) Run(ctx context.Context) error {
	ticker := time.NewTicker(sealInterval)
	defer ticker.Stop()
	for {
		s.sealAll(ctx)
		if time.Since(s.loggedAt) >= sealLogInterval {
			s.logHead(ctx)
		}
		select {
		case <-ticker.C:
			continue
		case <-ctx.Done():
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), sealGrace)
		defer cancel()
		s.sealAll(last)
		s.logHead(last)
		return nil
	}
}

// sealAll seals all that can be sealed now.
func (s *LedgerSealer) sealAll(ctx context.Context) {
	for more := true; more && ctx.Err() == nil; {
		var (
			newest domain.Seal
			err    error
		)
		newest, more, err = s.Ledger.Seal(ctx, sealLimit, domain.Seal.Next)
		if err != nil {
			s.complain(ctx, err)
			return
		}
		s.failing = false
		s.observe(ctx, newest)
	}
}

// complain says that sealing failed, once, until it has succeeded again.
func (s *LedgerSealer) complain(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	say := s.Logger.WarnContext
	if s.failing {
		say = s.Logger.DebugContext
	}
	s.failing = true
	say(ctx, "transfers are not sealed; trying again every second", "error", err)
}

// observe takes note of the newest seal. Seals are never taken back: a newest one that is
// not head or after it is the work of somebody else, which the check is to find; head stays.
func (s *LedgerSealer) observe(ctx context.Context, newest domain.Seal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if newest == s.newest {
		return
	}
	s.newest = newest
	if newest.ID < s.head.ID || newest.ID == s.head.ID && newest.Hash != s.head.Hash {
		s.cutOff = true
		s.Logger.ErrorContext(ctx, "THE LEDGER HAS BEEN CUT OFF: a seal that was there is gone", "head", s.head.String(), "newest", newest.String())
	}
	if !s.cutOff {
		s.head = newest
	}
	s.Sealed(newest)
}

// logHead publishes the newest seal in the log, if it is not there yet.
func (s *LedgerSealer) logHead(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newest == s.logged {
		return
	}
	s.logged, s.loggedAt = s.newest, time.Now()
	s.Logger.InfoContext(ctx, "ledger sealed", "head", s.newest.String(), "last_transfer", s.newest.Last)
}

// LedgerCheckerConfig is what a LedgerChecker works with. All of it is required.
type LedgerCheckerConfig struct {
	Ledger ports.Ledger
	// Expected returns the newest seal that must be there, the zero Seal for none.
	Expected func() domain.Seal
	// Interval is the time between two checks.
	Interval time.Duration
	Logger   *slog.Logger
	// Checked is told of every check: what it found, and how long it took.
	Checked func(report domain.LedgerReport, took time.Duration)
}

// LedgerChecker verifies the ledger every now and then. It alarms, and stops nothing: what
// to do about a finding is for people to decide.
type LedgerChecker struct{ LedgerCheckerConfig }

// NewLedgerChecker returns a LedgerChecker, which checks while Run runs.
func NewLedgerChecker(config LedgerCheckerConfig) *LedgerChecker { return &LedgerChecker{config} }

// Run checks until ctx ends.
func (c *LedgerChecker) Run(ctx context.Context) error {
	timer := time.NewTimer(min(checkDelay, c.Interval))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		pause := c.Interval
		if err := c.check(ctx); err != nil && ctx.Err() == nil {
			pause = min(pause, checkRetry)
			c.Logger.WarnContext(ctx, "the ledger could not be checked", "again_in", pause, "error", err)
		}
		timer.Reset(pause)
	}
}

func (c *LedgerChecker) check(ctx context.Context) error {
	started := time.Now()
	report, err := VerifyLedger(ctx, c.Ledger, c.Expected(), func(int64, int64) {})
	if err != nil {
		return err
	}
	took := time.Since(started)
	c.Checked(report, took)
	if report.IsInOrder() {
		c.Logger.InfoContext(ctx, "ledger checked: it is in order",
			"transfers", report.Transfers, "sealed", report.Sealed, "bets", report.Bets, "took", took)
		return nil
	}
	first := report.Findings[:min(len(report.Findings), loggedFindings)]
	texts := make([]string, len(first))
	for i, finding := range first {
		texts[i] = finding.String()
	}
	c.Logger.ErrorContext(ctx, "THE LEDGER IS NOT IN ORDER; \"ledger verify\" shows more", "findings", report.FindingCount(), "first", texts)
	return nil
}
