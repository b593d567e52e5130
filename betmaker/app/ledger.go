package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/usecase"
)

// superviseLedger registers what seals and checks the ledger. What it seals is also what
// the parts that are registered after it do until they stop.
func (a *App) superviseLedger(c Config, s *store, m *meters) {
	sealer := usecase.NewLedgerSealer(usecase.LedgerSealerConfig{Ledger: s.Ledger, Logger: a.log, Sealed: m.seal})
	a.loop("sealing the ledger", sealer.Run)
	if c.LedgerCheckInterval == 0 {
		return
	}
	checker := usecase.NewLedgerChecker(usecase.LedgerCheckerConfig{
		Ledger: s.Ledger, Expected: sealer.Head, Interval: c.LedgerCheckInterval, Logger: a.log, Checked: m.ledgerCheck,
	})
	a.loop("checking the ledger", checker.Run)
}

// LedgerHead is a seal of the ledger as somebody has written it down; the zero LedgerHead
// is none.
type LedgerHead struct{ seal domain.Seal }

// ParseLedgerHead reads a head as the log and the command show it: "12:" and the hash.
func ParseLedgerHead(text string) (LedgerHead, error) {
	seal, err := domain.ParseSeal(text)
	return LedgerHead{seal}, err
}

// progressInterval is the time between two lines that say how far a command has got.
const progressInterval = time.Second

// VerifyLedger inspects the ledger, writes to stdout what it has found, and returns an error
// when not all is in order. The store may be in use meanwhile. When it takes long, it says
// to stderr how far it has got.
func VerifyLedger(ctx context.Context, c Config, expected LedgerHead, stdout, stderr io.Writer) (err error) {
	store, err := openStore(ctx, c, asGuest, slog.Default())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.close()) }()
	next := time.Now().Add(progressInterval)
	report, err := usecase.VerifyLedger(ctx, store.Ledger, expected.seal, func(transfers, bets int64) {
		if now := time.Now(); now.After(next) {
			next = now.Add(progressInterval)
			_ = write(stderr, fmt.Sprintf("checked so far: %d transfers, %d bets\n", transfers, bets)) // no reason to stop
		}
	})
	if err != nil {
		return explain(err)
	}
	if err := write(stdout, ledgerSummary(report)); err != nil {
		return err
	}
	for _, finding := range report.Findings {
		if err := write(stdout, finding.String()+"\n"); err != nil {
			return err
		}
	}
	if report.IsInOrder() {
		return write(stdout, "the ledger is in order\n")
	}
	if count := report.FindingCount(); count > int64(len(report.Findings)) {
		return fmt.Errorf("THE LEDGER IS NOT IN ORDER: %d findings, of which the first %d are shown", count, len(report.Findings))
	}
	return fmt.Errorf("THE LEDGER IS NOT IN ORDER: findings: %d", report.FindingCount())
}

func ledgerSummary(r domain.LedgerReport) string {
	head := "none"
	if r.Head.ID > 0 {
		head = r.Head.String()
	}
	return fmt.Sprintf(`transfers  %d, of which %d are sealed
wallets    %d
events     %d
bets       %d, of which %d are pending, and %d are still to follow their event's result
seals      %d
head       %s

in wallets %s
in escrow  %s
house      %s
external   %s
debts      %s

`, r.Transfers, r.Sealed, r.Wallets, r.Events, r.Bets, r.Pending, r.Behind, r.Seals, head,
		r.Total(domain.AccountWallet), r.Total(domain.AccountEscrow), r.Total(domain.AccountHouse),
		r.Total(domain.AccountExternal), r.Total(domain.AccountDebt))
}

// parseLedgerVerify understands nothing, and "--head NUMBER:HASH".
func parseLedgerVerify(args []string) (action, error) {
	expected := LedgerHead{}
	switch {
	case len(args) == 0:
	case len(args) == 2 && args[0] == "--head":
		var err error
		if expected, err = ParseLedgerHead(args[1]); err != nil {
			return nil, misused("--head: %s", err)
		}
	default:
		return nil, misused("ledger verify takes nothing but --head NUMBER:HASH")
	}
	return func(ctx context.Context, p program) error {
		return VerifyLedger(ctx, p.Config, expected, p.stdout, p.stderr)
	}, nil
}
