package usecase

import (
	"context"
	"errors"
	"fmt"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// progressStep is the number of rows between two calls of a LedgerProgress.
const progressStep = 1000

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
