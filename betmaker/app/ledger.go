package app

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/service"
)

// LedgerCommand returns the command group ledger.
func LedgerCommand(configure service.Configure[Config]) *cobra.Command {
	var expected headFlag
	verify := configure.Command("verify", "Check everything that concerns money: transfers, seals, wallets and bets",
		func(cmd *cobra.Command, c Config) error { return verifyLedger(cmd, c, expected.Seal) })
	verify.Flags().Var(&expected, "head", "also require the seal `N:HASH`, which a verification, the log or the metrics have shown before")
	return service.Group("ledger", "Check the ledger", verify)
}

// headFlag is a flag for a seal of the ledger. It implements pflag.Value.
type headFlag struct{ domain.Seal }

// Set implements pflag.Value.
func (h *headFlag) Set(text string) (err error) {
	h.Seal, err = domain.ParseSeal(text)
	return err
}

// String implements pflag.Value.
func (h *headFlag) String() string {
	if h.ID == 0 {
		return ""
	}
	return h.Seal.String()
}

// Type implements pflag.Value.
func (h *headFlag) Type() string { return "seal" }

// progressInterval is the time between two progress lines of a command.
const progressInterval = time.Second

// verifyLedger inspects the ledger and writes the findings to the standard output. It returns an
// error unless everything is in order. The store may be in use meanwhile. A verification that takes
// long writes progress lines to the standard error.
func verifyLedger(cmd *cobra.Command, c Config, expected domain.Seal) (err error) {
	store, err := openStore(cmd.Context(), c, true, slog.Default())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.close()) }()
	next := time.Now().Add(progressInterval)
	report, err := usecase.VerifyLedger(cmd.Context(), store.Ledger, expected, func(transfers, bets int64) {
		if now := time.Now(); now.After(next) {
			next = now.Add(progressInterval)
			cmd.PrintErrf("checked so far: %d transfers, %d bets\n", transfers, bets)
		}
	})
	if err != nil {
		return err
	}
	return writeReport(cmd.OutOrStdout(), report)
}

func writeReport(w io.Writer, report domain.LedgerReport) error {
	if err := service.Printf(w, "%s", ledgerSummary(report)); err != nil {
		return err
	}
	for _, finding := range report.Findings {
		if err := service.Printf(w, "%s\n", finding); err != nil {
			return err
		}
	}
	if report.IsInOrder() {
		return service.Printf(w, "the ledger is in order\n")
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
