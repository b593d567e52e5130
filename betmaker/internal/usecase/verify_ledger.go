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

// LedgerProgress is called at intervals with the numbers of checked transfers and bets.
type LedgerProgress func(transfers, bets int64)

// VerifyLedger inspects the present ledger and returns its findings. expected is a seal that must
// exist; zero for none. A row that cannot be read is a finding that ends the inspection, because
// the store did not write it and a retry cannot help. An error means that the inspection was not
// possible.
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

// watchedInspection reports the progress of an inspection.
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
