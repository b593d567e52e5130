package postgres

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// This file maps rows to the domain and back. Instants are kept to the microsecond: what
// is finer is cut off on the way in.

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
			EffectiveAt:    timeOrZero(row.EffectiveAt),
			CreatedAt:      row.CreatedAt,
			UpdatedAt:      row.UpdatedAt,
		},
		Quarantined:    row.Quarantined,
		VoidBefore:     timeOrZero(row.VoidBefore),
		VoidWindows:    windows,
		ClosedAt:       timeOrZero(row.ClosedAt),
		ResultedAt:     timeOrZero(row.ResultedAt),
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
	var p pgdb.WriteEventsParams
	for _, e := range events {
		windows, err := windowsToJSON(e.VoidWindows)
		if err != nil {
			return p, fmt.Errorf("event %d: %w", e.ID, err)
		}
		p.Ids = append(p.Ids, int64(e.ID))
		p.Datasets = append(p.Datasets, e.Dataset)
		p.Seqs = append(p.Seqs, e.Seq)
		p.Versions = append(p.Versions, e.Version)
		p.Names = append(p.Names, e.Name)
		p.Coefficients = append(p.Coefficients, int32(e.Coefficient.Hundredths()))
		p.Deadlines = append(p.Deadlines, e.Deadline)
		p.States = append(p.States, int16(e.State))
		p.Suspended = append(p.Suspended, e.Suspended)
		p.ResultRevisions = append(p.ResultRevisions, e.ResultRevision)
		p.EffectiveAt = append(p.EffectiveAt, e.EffectiveAt)
		p.CreatedAt = append(p.CreatedAt, e.CreatedAt)
		p.UpdatedAt = append(p.UpdatedAt, e.UpdatedAt)
		p.Quarantined = append(p.Quarantined, e.Quarantined)
		p.VoidBefore = append(p.VoidBefore, e.VoidBefore)
		p.VoidWindows = append(p.VoidWindows, windows)
		p.ClosedAt = append(p.ClosedAt, e.ClosedAt)
		p.ResultedAt = append(p.ResultedAt, e.ResultedAt)
		p.SettleRevisions = append(p.SettleRevisions, e.SettleRevision)
	}
	return p, nil
}

func betFromRow(row pgdb.Bet) (domain.Bet, error) {
	coefficient, err := odds.FromHundredths(int64(row.Coefficient))
	if err != nil {
		return domain.Bet{}, fmt.Errorf("bet %d: %w", row.ID, err)
	}
	bet := domain.Bet{
		ID:           domain.BetID(row.ID),
		UserID:       domain.UserID(row.UserID),
		EventID:      domain.EventID(row.EventID),
		Stake:        money.FromMinor(row.Stake),
		Coefficient:  coefficient,
		EventVersion: row.EventVersion,
		AcceptedAt:   row.AcceptedAt,
		Standing: domain.Standing{
			Settlement: domain.Settlement{Status: domain.Status(row.Status)},
			Revision:   row.SettleRevision,
			SettledAt:  timeOrZero(row.SettledAt),
		},
	}
	if row.Payout != nil {
		bet.Payout = money.FromMinor(*row.Payout)
	}
	if row.VoidReason != nil {
		bet.VoidReason = domain.VoidReason(*row.VoidReason)
	}
	return bet, nil
}

func betsToArrays(bets []domain.Bet) pgdb.InsertBetsParams {
	var p pgdb.InsertBetsParams
	for _, b := range bets {
		p.Ids = append(p.Ids, int64(b.ID))
		p.UserIds = append(p.UserIds, int64(b.UserID))
		p.EventIds = append(p.EventIds, int64(b.EventID))
		p.Stakes = append(p.Stakes, b.Stake.Minor())
		p.Coefficients = append(p.Coefficients, int32(b.Coefficient.Hundredths()))
		p.EventVersions = append(p.EventVersions, b.EventVersion)
		p.AcceptedAt = append(p.AcceptedAt, b.AcceptedAt)
		p.SettleRevisions = append(p.SettleRevisions, b.Revision)
	}
	return p
}

func settlementsToArrays(bets []domain.Bet, settled []domain.Settled) pgdb.SettleBetsParams {
	p := pgdb.SettleBetsParams{
		Ids: make([]int64, 0, len(settled)), Statuses: make([]int16, 0, len(settled)), Payouts: make([]int64, 0, len(settled)),
		VoidReasons: make([]int16, 0, len(settled)), SettleRevisions: make([]int64, 0, len(settled)),
		SettledAt: make([]time.Time, 0, len(settled)),
	}
	for i, s := range settled {
		p.Ids = append(p.Ids, int64(bets[i].ID))
		p.Statuses = append(p.Statuses, int16(s.Status))
		p.Payouts = append(p.Payouts, s.Payout.Minor())
		p.VoidReasons = append(p.VoidReasons, int16(s.VoidReason))
		p.SettleRevisions = append(p.SettleRevisions, s.Revision)
		p.SettledAt = append(p.SettledAt, s.SettledAt)
	}
	return p
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
			NextAt: timeOrZero(row.NextStakeLimitAt),
		},
		ExcludedUntil: timeOrZero(row.ExcludedUntil),
	}
}

func walletsFromRows(rows []pgdb.Wallet) map[domain.UserID]domain.Wallet {
	wallets := make(map[domain.UserID]domain.Wallet, len(rows))
	for _, row := range rows {
		wallets[domain.UserID(row.UserID)] = walletFromRow(row)
	}
	return wallets
}

// walletsToArrays has of each wallet what WriteWallets writes.
func walletsToArrays(users []domain.UserID, wallets map[domain.UserID]domain.Wallet) pgdb.WriteWalletsParams {
	p := pgdb.WriteWalletsParams{
		UserIds: make([]int64, 0, len(users)), Balances: make([]int64, 0, len(users)), Held: make([]int64, 0, len(users)),
		Debts: make([]int64, 0, len(users)), Staked: make([]int64, 0, len(users)), StakedDays: make([]int32, 0, len(users)),
	}
	for _, user := range users {
		wallet := wallets[user]
		p.UserIds = append(p.UserIds, int64(user))
		p.Balances = append(p.Balances, wallet.Balance.Minor())
		p.Held = append(p.Held, wallet.Held.Minor())
		p.Debts = append(p.Debts, wallet.Debt.Minor())
		p.Staked = append(p.Staked, wallet.Staked.Minor())
		p.StakedDays = append(p.StakedDays, int32(wallet.StakedDay))
	}
	return p
}

func transferFromRow(row pgdb.Transfer) domain.Transfer {
	transfer := domain.Transfer{
		ID:        domain.TransferID(row.ID),
		UserID:    domain.UserID(row.UserID),
		Debit:     domain.Account(row.Debit),
		Credit:    domain.Account(row.Credit),
		Amount:    money.FromMinor(row.Amount),
		Kind:      domain.TransferKind(row.Kind),
		Revision:  row.Revision,
		Reference: row.Reference,
		At:        row.At,
	}
	if row.BetID != nil {
		transfer.BetID = domain.BetID(*row.BetID)
	}
	return transfer
}

func transfersFromRows(rows []pgdb.Transfer) []domain.Transfer {
	transfers := make([]domain.Transfer, len(rows))
	for i, row := range rows {
		transfers[i] = transferFromRow(row)
	}
	return transfers
}

func transfersToArrays(transfers []domain.Transfer) pgdb.InsertTransfersParams {
	n := len(transfers)
	p := pgdb.InsertTransfersParams{
		UserIds: make([]int64, 0, n), Debits: make([]int16, 0, n), Credits: make([]int16, 0, n), Amounts: make([]int64, 0, n),
		Kinds: make([]int16, 0, n), BetIds: make([]int64, 0, n), Revisions: make([]int64, 0, n), Refs: make([]string, 0, n),
		At: make([]time.Time, 0, n),
	}
	for _, t := range transfers {
		p.UserIds = append(p.UserIds, int64(t.UserID))
		p.Debits = append(p.Debits, int16(t.Debit))
		p.Credits = append(p.Credits, int16(t.Credit))
		p.Amounts = append(p.Amounts, t.Amount.Minor())
		p.Kinds = append(p.Kinds, int16(t.Kind))
		p.BetIds = append(p.BetIds, int64(t.BetID))
		p.Revisions = append(p.Revisions, t.Revision)
		p.Refs = append(p.Refs, t.Reference)
		p.At = append(p.At, t.At)
	}
	return p
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
		Origin:  domain.Origin{By: domain.UserID(row.ActorID), Address: row.Address, RequestID: row.RequestID},
		Action:  row.Action,
		Subject: row.Subject,
		Reason:  row.Reason,
		Before:  row.Before,
		After:   row.After,
	}
}

func verdictFromRow(row pgdb.StoredVerdictsRow) (domain.Verdict, error) {
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
	if row.BetID == 0 {
		return domain.Verdict{}, fmt.Errorf("verdict of user %d: neither a refusal nor a bet", row.UserID)
	}
	coefficient, err := odds.FromHundredths(int64(row.Coefficient))
	if err != nil {
		return domain.Verdict{}, fmt.Errorf("bet %d: %w", row.BetID, err)
	}
	verdict.Bet = domain.Bet{
		ID:           domain.BetID(row.BetID),
		UserID:       domain.UserID(row.UserID),
		EventID:      domain.EventID(row.EventID),
		Stake:        money.FromMinor(row.Stake),
		Coefficient:  coefficient,
		EventVersion: row.EventVersion,
		AcceptedAt:   timeOrZero(row.AcceptedAt),
		Standing:     domain.Standing{Settlement: domain.Settlement{Status: domain.StatusPending}},
	}
	return verdict, nil
}

func refusalFromRow(code int16, params []byte) (refusal domain.Refusal, err error) {
	if err := json.Unmarshal(params, &refusal); err != nil {
		return domain.Refusal{}, fmt.Errorf("refusal: %w", err)
	}
	refusal.Code = domain.RefusalCode(code)
	return refusal, nil
}

// refusalToJSON returns what a refusal's answer carries; "" when nothing was refused.
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

// paymentVerdictFromRow takes the transfers that the verdict names: one, or none when it is a refusal.
func paymentVerdictFromRow(row pgdb.Verdict, transfers []pgdb.Transfer) (domain.PaymentVerdict, error) {
	verdict := domain.PaymentVerdict{RequestID: row.RequestID}
	if !copyHash(&verdict.Fingerprint, row.Fingerprint) {
		return domain.PaymentVerdict{}, fmt.Errorf("payment by user %d: a fingerprint of %d bytes", row.UserID, len(row.Fingerprint))
	}
	if row.Refusal != nil {
		var err error
		if verdict.Refusal, err = refusalFromRow(*row.Refusal, row.Params); err != nil {
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

// keyedVerdict is a verdict with the key that it is to be stored under.
type keyedVerdict struct {
	key domain.VerdictKey
	domain.Verdict
}

func verdictsToArrays(verdicts []keyedVerdict, decidedAt time.Time) (pgdb.InsertVerdictsParams, error) {
	p := pgdb.InsertVerdictsParams{DecidedAt: decidedAt}
	for _, v := range verdicts {
		params, err := refusalToJSON(v.Refusal)
		if err != nil {
			return p, fmt.Errorf("verdict of user %d: %w", v.key.UserID, err)
		}
		p.UserIds = append(p.UserIds, int64(v.key.UserID))
		p.Keys = append(p.Keys, v.key.Key)
		p.Fingerprints = append(p.Fingerprints, v.Fingerprint[:])
		p.BetIds = append(p.BetIds, int64(v.Bet.ID))
		p.Refusals = append(p.Refusals, int16(v.Refusal.Code))
		p.Params = append(p.Params, params)
		p.RequestIds = append(p.RequestIds, v.RequestID)
	}
	return p, nil
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

func timeOrZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// copyHash copies a hash, and tells whether it has the length of one.
func copyHash(into *[sha256.Size]byte, from []byte) bool {
	return copy(into[:], from) == len(into) && len(from) == len(into)
}
