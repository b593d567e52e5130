package postgres

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// This file maps rows to the domain and back, once for each thing. Instants are truncated to
// microseconds. The value of a column that is null is the zero value.

func eventFromRow(row pgdb.Event) (domain.Event, error) {
	coefficient, err := odds.FromHundredths(int64(row.Coefficient))
	if err != nil {
		return domain.Event{}, fmt.Errorf("event %d: %w", row.ID, err)
	}
	windows, err := windowsFromJSON(row.VoidWindows)
	if err != nil {
		return domain.Event{}, fmt.Errorf("event %d: %w", row.ID, err)
	}
	return domain.Event{
		LineEvent: domain.LineEvent{
			ID:             domain.EventID(row.ID),
			Dataset:        row.Dataset,
			Seq:            row.Seq,
			Version:        row.Version,
			Name:           row.Name,
			Coefficient:    coefficient,
			Deadline:       row.Deadline,
			State:          domain.State(row.State),
			Suspended:      row.Suspended,
			ResultRevision: row.ResultRevision,
			EffectiveAt:    row.EffectiveAt.Time,
			RecordedBy:     row.RecordedBy.Time,
			CreatedAt:      row.CreatedAt,
			UpdatedAt:      row.UpdatedAt,
		},
		Quarantined:    row.Quarantined,
		VoidBefore:     row.VoidBefore.Time,
		VoidWindows:    windows,
		ClosedAt:       row.ClosedAt.Time,
		ResultedAt:     row.ResultedAt.Time,
		SettleRevision: row.SettleRevision,
	}, nil
}

func eventsFromRows(rows []pgdb.Event) ([]domain.Event, error) {
	return mapRows(rows, eventFromRow)
}

func windowsFromJSON(data []byte) (windows []domain.VoidWindow, err error) {
	if err := json.Unmarshal(data, &windows); err != nil {
		return nil, fmt.Errorf("void windows: %w", err)
	}
	if len(windows) == 0 {
		return nil, nil
	}
	return windows, nil
}

func windowsToJSON(windows []domain.VoidWindow) (string, error) {
	if len(windows) == 0 {
		return "[]", nil
	}
	data, err := json.Marshal(windows)
	if err != nil {
		return "", fmt.Errorf("void windows: %w", err)
	}
	return string(data), nil
}

func eventsToArrays(events []domain.Event) (pgdb.WriteEventsParams, error) {
	windows, err := mapRows(events, func(e domain.Event) (string, error) { return windowsToJSON(e.VoidWindows) })
	return pgdb.WriteEventsParams{
		Ids:             column(events, func(e *domain.Event) int64 { return int64(e.ID) }),
		Datasets:        column(events, func(e *domain.Event) string { return e.Dataset }),
		Seqs:            column(events, func(e *domain.Event) int64 { return e.Seq }),
		Versions:        column(events, func(e *domain.Event) int64 { return e.Version }),
		Names:           column(events, func(e *domain.Event) string { return e.Name }),
		Coefficients:    column(events, func(e *domain.Event) int32 { return int32(e.Coefficient.Hundredths()) }),
		Deadlines:       column(events, func(e *domain.Event) time.Time { return e.Deadline }),
		States:          column(events, func(e *domain.Event) int16 { return int16(e.State) }),
		Suspended:       column(events, func(e *domain.Event) bool { return e.Suspended }),
		ResultRevisions: column(events, func(e *domain.Event) int64 { return e.ResultRevision }),
		EffectiveAt:     column(events, func(e *domain.Event) time.Time { return e.EffectiveAt }),
		CreatedAt:       column(events, func(e *domain.Event) time.Time { return e.CreatedAt }),
		UpdatedAt:       column(events, func(e *domain.Event) time.Time { return e.UpdatedAt }),
		Quarantined:     column(events, func(e *domain.Event) bool { return e.Quarantined }),
		VoidBefore:      column(events, func(e *domain.Event) time.Time { return e.VoidBefore }),
		VoidWindows:     windows,
		ClosedAt:        column(events, func(e *domain.Event) time.Time { return e.ClosedAt }),
		ResultedAt:      column(events, func(e *domain.Event) time.Time { return e.ResultedAt }),
		SettleRevisions: column(events, func(e *domain.Event) int64 { return e.SettleRevision }),
		RecordedBy:      column(events, func(e *domain.Event) time.Time { return e.RecordedBy }),
	}, err
}

func betFromRow(row pgdb.Bet) (domain.Bet, error) {
	coefficient, err := odds.FromHundredths(int64(row.Coefficient))
	if err != nil {
		return domain.Bet{}, fmt.Errorf("bet %d: %w", row.ID, err)
	}
	return domain.Bet{
		ID:           domain.BetID(row.ID),
		UserID:       domain.UserID(row.UserID),
		EventID:      domain.EventID(row.EventID),
		Stake:        money.FromMinor(row.Stake),
		Coefficient:  coefficient,
		EventVersion: row.EventVersion,
		AcceptedAt:   row.AcceptedAt,
		HalfEven:     row.HalfEven,
		Standing: domain.Standing{
			Settlement: domain.Settlement{
				Status: domain.Status(row.Status), Payout: money.FromMinor(row.Payout.Int64), VoidReason: domain.VoidReason(row.VoidReason.Int16),
			},
			Revision:  row.SettleRevision,
			SettledAt: row.SettledAt.Time,
		},
	}, nil
}

func betsToArrays(bets []domain.Bet) pgdb.InsertBetsParams {
	return pgdb.InsertBetsParams{
		Ids:             column(bets, func(b *domain.Bet) int64 { return int64(b.ID) }),
		UserIds:         column(bets, func(b *domain.Bet) int64 { return int64(b.UserID) }),
		EventIds:        column(bets, func(b *domain.Bet) int64 { return int64(b.EventID) }),
		Stakes:          column(bets, func(b *domain.Bet) int64 { return b.Stake.Minor() }),
		Coefficients:    column(bets, func(b *domain.Bet) int32 { return int32(b.Coefficient.Hundredths()) }),
		EventVersions:   column(bets, func(b *domain.Bet) int64 { return b.EventVersion }),
		AcceptedAt:      column(bets, func(b *domain.Bet) time.Time { return b.AcceptedAt }),
		SettleRevisions: column(bets, func(b *domain.Bet) int64 { return b.Revision }),
	}
}

func settlementsToArrays(tids []pgtype.TID, bets []domain.Bet, settled []domain.Settled) pgdb.SettleBetsParams {
	return pgdb.SettleBetsParams{
		Tids:            tids,
		Ids:             column(bets, func(b *domain.Bet) int64 { return int64(b.ID) }),
		Statuses:        column(settled, func(s *domain.Settled) int16 { return int16(s.Status) }),
		Payouts:         column(settled, func(s *domain.Settled) int64 { return s.Payout.Minor() }),
		VoidReasons:     column(settled, func(s *domain.Settled) int16 { return int16(s.VoidReason) }),
		SettleRevisions: column(settled, func(s *domain.Settled) int64 { return s.Revision }),
		SettledAt:       column(settled, func(s *domain.Settled) time.Time { return s.SettledAt }),
	}
}

func walletFromRow(row pgdb.Wallet) domain.Wallet {
	return domain.Wallet{
		Open:      row.Open,
		Balance:   money.FromMinor(row.Balance),
		Held:      money.FromMinor(row.Held),
		Debt:      money.FromMinor(row.Debt),
		Staked:    money.FromMinor(row.Staked),
		StakedDay: domain.Day(row.StakedDay),
		StakeLimit: domain.StakeLimit{
			Amount: money.FromMinor(row.StakeLimit),
			Next:   money.FromMinor(row.NextStakeLimit),
			NextAt: row.NextStakeLimitAt.Time,
		},
		ExcludedUntil: row.ExcludedUntil.Time,
	}
}

func walletsFromRows(rows []pgdb.Wallet) map[domain.UserID]domain.Wallet {
	wallets := make(map[domain.UserID]domain.Wallet, len(rows))
	for _, row := range rows {
		wallets[domain.UserID(row.UserID)] = walletFromRow(row)
	}
	return wallets
}

// walletsToArrays returns the parameters of WriteWallets.
func walletsToArrays(users []domain.UserID, wallets map[domain.UserID]domain.Wallet) pgdb.WriteWalletsParams {
	written := column(users, func(user *domain.UserID) domain.Wallet { return wallets[*user] })
	return pgdb.WriteWalletsParams{
		UserIds:    column(users, func(user *domain.UserID) int64 { return int64(*user) }),
		Balances:   column(written, func(w *domain.Wallet) int64 { return w.Balance.Minor() }),
		Held:       column(written, func(w *domain.Wallet) int64 { return w.Held.Minor() }),
		Debts:      column(written, func(w *domain.Wallet) int64 { return w.Debt.Minor() }),
		Staked:     column(written, func(w *domain.Wallet) int64 { return w.Staked.Minor() }),
		StakedDays: column(written, func(w *domain.Wallet) int32 { return int32(w.StakedDay) }),
	}
}

func transferFromRow(row pgdb.Transfer) domain.Transfer {
	return domain.Transfer{
		ID:        domain.TransferID(row.ID),
		UserID:    domain.UserID(row.UserID),
		Debit:     domain.Account(row.Debit),
		Credit:    domain.Account(row.Credit),
		Amount:    money.FromMinor(row.Amount),
		Kind:      domain.TransferKind(row.Kind),
		BetID:     domain.BetID(row.BetID.Int64),
		Revision:  row.Revision,
		Reference: row.Reference,
		At:        row.At,
	}
}

func transfersFromRows(rows []pgdb.Transfer) []domain.Transfer {
	return column(rows, func(row *pgdb.Transfer) domain.Transfer { return transferFromRow(*row) })
}

func transfersToArrays(transfers []domain.Transfer) pgdb.InsertTransfersParams {
	return pgdb.InsertTransfersParams{
		UserIds:   column(transfers, func(t *domain.Transfer) int64 { return int64(t.UserID) }),
		Debits:    column(transfers, func(t *domain.Transfer) int16 { return int16(t.Debit) }),
		Credits:   column(transfers, func(t *domain.Transfer) int16 { return int16(t.Credit) }),
		Amounts:   column(transfers, func(t *domain.Transfer) int64 { return t.Amount.Minor() }),
		Kinds:     column(transfers, func(t *domain.Transfer) int16 { return int16(t.Kind) }),
		BetIds:    column(transfers, func(t *domain.Transfer) int64 { return int64(t.BetID) }),
		Revisions: column(transfers, func(t *domain.Transfer) int64 { return t.Revision }),
		Refs:      column(transfers, func(t *domain.Transfer) string { return t.Reference }),
		At:        column(transfers, func(t *domain.Transfer) time.Time { return t.At }),
	}
}

func liabilitiesFromRows(rows []pgdb.Liability) map[domain.EventID]money.Amount {
	liabilities := make(map[domain.EventID]money.Amount, len(rows))
	for _, row := range rows {
		liabilities[domain.EventID(row.EventID)] = money.FromMinor(row.Amount)
	}
	return liabilities
}

func sealFromRow(row pgdb.Seal) (domain.Seal, error) {
	seal := domain.Seal{ID: row.ID, Last: domain.TransferID(row.LastTransfer), Count: row.Count, At: row.At}
	if !copyHash(&seal.Hash, row.Hash) {
		return domain.Seal{}, fmt.Errorf("seal %d: a hash of %d bytes", row.ID, len(row.Hash))
	}
	return seal, nil
}

func auditRecordFromRow(row pgdb.AuditLog) domain.AuditRecord {
	return domain.AuditRecord{
		ID:      row.ID,
		At:      row.At,
		Origin:  domain.Origin{By: domain.UserID(row.ActorID), Address: row.Address, RequestID: row.RequestID, ServerRequestID: row.ServerRequestID},
		Action:  row.Action,
		Subject: row.Subject,
		Reason:  row.Reason,
		Changed: slices.Collect(strings.FieldsSeq(row.Changed)),
		Before:  row.Before,
		After:   row.After,
	}
}

// verdictFromRow takes the bet that the verdict names from bets, unless it is a refusal. The bet of a
// verdict is as it was when it was accepted.
func verdictFromRow(row pgdb.StoredVerdictsRow, bets map[int64]pgdb.Bet) (domain.Verdict, error) {
	verdict := domain.Verdict{RequestID: row.RequestID}
	if !copyHash(&verdict.Fingerprint, row.Fingerprint) {
		return domain.Verdict{}, fmt.Errorf("verdict of user %d: a fingerprint of %d bytes", row.UserID, len(row.Fingerprint))
	}
	if row.Refusal != 0 {
		var err error
		if verdict.Refusal, err = refusalFromRow(row.Refusal, row.Params); err != nil {
			return domain.Verdict{}, fmt.Errorf("verdict of user %d: %w", row.UserID, err)
		}
		return verdict, nil
	}
	bet, ok := bets[row.BetID]
	if !ok {
		return domain.Verdict{}, fmt.Errorf("verdict of user %d: neither a refusal nor a bet", row.UserID)
	}
	accepted, err := betFromRow(bet)
	if err != nil {
		return domain.Verdict{}, err
	}
	accepted.Standing = domain.Standing{Settlement: domain.Settlement{Status: domain.StatusPending}}
	verdict.Bet = accepted
	return verdict, nil
}

func betsByID(rows []pgdb.Bet) map[int64]pgdb.Bet {
	bets := make(map[int64]pgdb.Bet, len(rows))
	for _, row := range rows {
		bets[row.ID] = row
	}
	return bets
}

func refusalFromRow(code int16, params []byte) (refusal domain.Refusal, err error) {
	if err := json.Unmarshal(params, &refusal); err != nil {
		return domain.Refusal{}, fmt.Errorf("refusal: %w", err)
	}
	refusal.Code = domain.RefusalCode(code)
	return refusal, nil
}

// refusalToJSON returns the parameters of a refusal, or "" when nothing was refused.
func refusalToJSON(refusal domain.Refusal) (string, error) {
	if refusal.IsZero() {
		return "", nil
	}
	params, err := json.Marshal(refusal)
	if err != nil {
		return "", fmt.Errorf("refusal: %w", err)
	}
	return string(params), nil
}

// paymentVerdictFromRow takes the transfers that the verdict names: one, or none if it is a refusal.
func paymentVerdictFromRow(row pgdb.Verdict, transfers []pgdb.Transfer) (domain.PaymentVerdict, error) {
	verdict := domain.PaymentVerdict{RequestID: row.RequestID}
	if !copyHash(&verdict.Fingerprint, row.Fingerprint) {
		return domain.PaymentVerdict{}, fmt.Errorf("payment by user %d: a fingerprint of %d bytes", row.UserID, len(row.Fingerprint))
	}
	if row.Refusal.Valid {
		var err error
		if verdict.Refusal, err = refusalFromRow(row.Refusal.Int16, row.Params); err != nil {
			return domain.PaymentVerdict{}, fmt.Errorf("payment by user %d: %w", row.UserID, err)
		}
		return verdict, nil
	}
	if len(transfers) != 1 {
		return domain.PaymentVerdict{}, fmt.Errorf("payment by user %d: neither a refusal nor a transfer", row.UserID)
	}
	verdict.Transfer = transferFromRow(transfers[0])
	return verdict, nil
}

// keyedVerdict is a verdict and the key to store it under.
type keyedVerdict struct {
	key domain.VerdictKey
	domain.Verdict
}

func verdictsToArrays(verdicts []keyedVerdict, decidedAt time.Time) (pgdb.InsertVerdictsParams, error) {
	params, err := mapRows(verdicts, func(v keyedVerdict) (string, error) { return refusalToJSON(v.Refusal) })
	return pgdb.InsertVerdictsParams{
		UserIds:      column(verdicts, func(v *keyedVerdict) int64 { return int64(v.key.UserID) }),
		Keys:         column(verdicts, func(v *keyedVerdict) string { return v.key.Key }),
		Fingerprints: column(verdicts, func(v *keyedVerdict) []byte { return v.Fingerprint[:] }),
		BetIds:       column(verdicts, func(v *keyedVerdict) int64 { return int64(v.Bet.ID) }),
		Refusals:     column(verdicts, func(v *keyedVerdict) int16 { return int16(v.Refusal.Code) }),
		Params:       params,
		RequestIds:   column(verdicts, func(v *keyedVerdict) string { return v.RequestID }),
		DecidedAt:    decidedAt,
	}, err
}

func credentialsFromRow(row pgdb.User) ports.Credentials {
	return ports.Credentials{
		User: domain.User{
			ID:           domain.UserID(row.ID),
			Name:         row.Name,
			Username:     row.Username,
			Email:        row.Email,
			Role:         domain.Role(row.Role),
			Active:       row.Active,
			TokenVersion: row.TokenVersion,
			CreatedAt:    row.CreatedAt,
			UpdatedAt:    row.UpdatedAt,
		},
		PasswordHash: row.PasswordHash,
	}
}

// column returns a value of each item.
func column[Item, Value any](items []Item, value func(*Item) Value) []Value {
	values := make([]Value, len(items))
	for i := range items {
		values[i] = value(&items[i])
	}
	return values
}

func mapRows[Row, T any](rows []Row, one func(Row) (T, error)) ([]T, error) {
	mapped := make([]T, len(rows))
	for i, row := range rows {
		var err error
		if mapped[i], err = one(row); err != nil {
			return nil, err
		}
	}
	return mapped, nil
}

func timeOrNull(t time.Time) pgtype.Timestamptz {
	return pgtype.Timestamptz{Time: t, Valid: !t.IsZero()}
}

// copyHash copies a hash and reports whether it has the right length.
func copyHash(into *[sha256.Size]byte, from []byte) bool {
	return copy(into[:], from) == len(into) && len(from) == len(into)
}
