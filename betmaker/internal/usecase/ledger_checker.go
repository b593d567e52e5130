package usecase

import (
	"context"
	"log/slog"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

const (
	// checkDelay is the time from the start to the first check, which keeps its load out of
	// the start.
	checkDelay = time.Minute
	// checkRetry is the longest time to the next check after a failed one.
	checkRetry = time.Minute
	// loggedFindings bounds the findings of one check in the log. The command shows more.
	loggedFindings = 10
)

// LedgerCheckerConfig configures a LedgerChecker. All members are required.
type LedgerCheckerConfig struct {
	Ledger ports.Ledger
	// Expected returns the newest seal that must exist; zero for none.
	Expected func() domain.Seal
	// Interval is the time between two checks.
	Interval time.Duration
	Logger   *slog.Logger
	// Checked is called after every check with its report and duration.
	Checked func(report domain.LedgerReport, took time.Duration)
}

// LedgerChecker verifies the ledger at intervals. It raises an alarm and stops nothing; people
// decide about findings.
type LedgerChecker struct{ config LedgerCheckerConfig }

// NewLedgerChecker returns a LedgerChecker, which checks while Run runs.
func NewLedgerChecker(config LedgerCheckerConfig) *LedgerChecker { return &LedgerChecker{config} }

// Run checks until ctx ends.
func (c *LedgerChecker) Run(ctx context.Context) error {
	timer := time.NewTimer(min(checkDelay, c.config.Interval))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		pause := c.config.Interval
		if err := c.check(ctx); err != nil && ctx.Err() == nil {
			pause = min(pause, checkRetry)
			c.config.Logger.WarnContext(ctx, "the ledger could not be checked", "again_in", pause, "error", err)
		}
		timer.Reset(pause)
	}
}

func (c *LedgerChecker) check(ctx context.Context) error {
	started := time.Now()
	report, err := VerifyLedger(ctx, c.config.Ledger, c.config.Expected(), func(int64, int64) {})
	if err != nil {
		return err
	}
	took := time.Since(started)
	c.config.Checked(report, took)
	if report.IsInOrder() {
		c.config.Logger.InfoContext(ctx, "ledger checked: it is in order",
			"transfers", report.Transfers, "sealed", report.Sealed, "bets", report.Bets, "took", took)
		return nil
	}
	first := report.Findings[:min(len(report.Findings), loggedFindings)]
	texts := make([]string, len(first))
	for i, finding := range first {
		texts[i] = finding.String()
	}
	c.config.Logger.ErrorContext(ctx, "THE LEDGER IS NOT IN ORDER; \"ledger verify\" shows more", "findings", report.FindingCount(), "first", texts)
	return nil
}
