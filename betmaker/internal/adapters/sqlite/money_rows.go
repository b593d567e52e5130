package sqlite

import (
	"encoding/json"
	"fmt"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
)

// This file maps what concerns money, as rows.go does for the rest.

func walletFromRow(row sqlitedb.Wallet) domain.Wallet {
	return domain.Wallet{
		Open:      row.Open != 0,
		Balance:   money.FromMinor(row.Balance),
		Held:      money.FromMinor(row.Held),
		Debt:      money.FromMinor(row.Debt),
		Staked:    money.FromMinor(row.Staked),
		StakedDay: domain.Day(row.StakedDay),
		StakeLimit: domain.StakeLimit{
			Amount: money.FromMinor(row.StakeLimit),
			Next:   money.FromMinor(row.NextStakeLimit),
			NextAt: instantOrZero(row.NextStakeLimitAt),
		},
		ExcludedUntil: instantOrZero(row.ExcludedUntil),
	}
}

// walletToRow returns of a wallet what bets, settlements and payments change.
func walletToRow(user domain.UserID, w domain.Wallet) sqlitedb.WriteMoneyParams {
	return sqlitedb.WriteMoneyParams{
		UserID:    int64(user),
		Balance:   w.Balance.Minor(),
		Held:      w.Held.Minor(),
		Debt:      w.Debt.Minor(),
		Staked:    w.Staked.Minor(),
		StakedDay: int64(w.StakedDay),
	}
}

// restrictionsToRow returns of a wallet what its user changes.
func restrictionsToRow(user domain.UserID, w domain.Wallet) sqlitedb.RestrictWalletParams {
	return sqlitedb.RestrictWalletParams{
		UserID:           int64(user),
		StakeLimit:       w.StakeLimit.Amount.Minor(),
		NextStakeLimit:   w.StakeLimit.Next.Minor(),
		NextStakeLimitAt: microsOrNull(w.StakeLimit.NextAt),
		ExcludedUntil:    microsOrNull(w.ExcludedUntil),
	}
}

func transferFromRow(row sqlitedb.Transfer) domain.Transfer {
	transfer := domain.Transfer{
		ID:        domain.TransferID(row.ID),
		UserID:    domain.UserID(row.UserID),
		Debit:     domain.Account(row.Debit),
		Credit:    domain.Account(row.Credit),
		Amount:    money.FromMinor(row.Amount),
		Kind:      domain.TransferKind(row.Kind),
		Revision:  row.Revision,
		Reference: row.Reference,
		At:        instant(row.At),
	}
	if row.BetID != nil {
		transfer.BetID = domain.BetID(*row.BetID)
	}
	return transfer
}

func transfersFromRows(rows []sqlitedb.Transfer) []domain.Transfer {
	transfers := make([]domain.Transfer, len(rows))
	for i, row := range rows {
		transfers[i] = transferFromRow(row)
	}
	return transfers
}

func transferToRow(t domain.Transfer) sqlitedb.InsertTransferParams {
	row := sqlitedb.InsertTransferParams{
		UserID:    int64(t.UserID),
		Debit:     int64(t.Debit),
		Credit:    int64(t.Credit),
		Amount:    t.Amount.Minor(),
		Kind:      int64(t.Kind),
		Revision:  t.Revision,
		Reference: t.Reference,
		At:        t.At.UnixMicro(),
	}
	if t.BetID != 0 {
		row.BetID = new(int64(t.BetID))
	}
	return row
}

func sealFromRow(row sqlitedb.Seal) (domain.Seal, error) {
	seal := domain.Seal{ID: row.ID, Last: domain.TransferID(row.LastTransfer), Count: row.Count, At: instant(row.At)}
	if !fill(seal.Hash[:], row.Hash) {
		return domain.Seal{}, fmt.Errorf("seal %d: a hash of %d bytes", row.ID, len(row.Hash))
	}
	return seal, nil
}

func sealToRow(s domain.Seal) sqlitedb.InsertSealParams {
	return sqlitedb.InsertSealParams{ID: s.ID, LastTransfer: int64(s.Last), Count: s.Count, Hash: s.Hash[:], At: s.At.UnixMicro()}
}

// paymentVerdictFromRow returns a verdict, of a payment that was made all but the transfer.
func paymentVerdictFromRow(row sqlitedb.Verdict) (verdict domain.PaymentVerdict, err error) {
	verdict.RequestID = row.RequestID
	verdict.Fingerprint, verdict.Refusal, err = decidedFromRow(row)
	return verdict, err
}

func paymentVerdictToRow(key verdictKey, v domain.PaymentVerdict, decidedAt time.Time) (sqlitedb.InsertVerdictParams, error) {
	row := newVerdictRow(key, v.Fingerprint, v.RequestID, decidedAt)
	if v.Refusal.IsZero() {
		row.TransferID = new(int64(v.Transfer.ID))
		return row, nil
	}
	return refusalToRow(row, v.Refusal)
}

func auditRecordFromRow(row sqlitedb.AuditLog) domain.AuditRecord {
	return domain.AuditRecord{
		ID:      row.ID,
		At:      instant(row.At),
		Origin:  domain.Origin{By: domain.UserID(row.ActorID), Address: row.Address, RequestID: row.RequestID},
		Action:  row.Action,
		Subject: row.Subject,
		Reason:  row.Reason,
		Before:  jsonOrNil(row.Before),
		After:   jsonOrNil(row.After),
	}
}

func auditRecordToRow(r domain.AuditRecord, now time.Time) sqlitedb.InsertAuditRecordParams {
	return sqlitedb.InsertAuditRecordParams{
		At:        now.UnixMicro(),
		ActorID:   int64(r.By),
		Address:   r.Address,
		RequestID: r.RequestID,
		Action:    r.Action,
		Subject:   r.Subject,
		Reason:    r.Reason,
		Before:    jsonOrNull(r.Before),
		After:     jsonOrNull(r.After),
	}
}

func jsonOrNil(text *string) json.RawMessage {
	if text == nil {
		return nil
	}
	return json.RawMessage(*text)
}

func jsonOrNull(text json.RawMessage) *string {
	if text == nil {
		return nil
	}
	return new(string(text))
}

func amountOrNil(minor *int64) *money.Amount {
	if minor == nil {
		return nil
	}
	return new(money.FromMinor(*minor))
}
