package sqlite

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// This file maps rows to the domain and back. Instants are stored as microseconds since 1970; they are
// truncated when they are written.

func eventFromRow(row sqlitedb.Event) (domain.Event, error) {
	coefficient, err := odds.FromHundredths(row.Coefficient)
	if err != nil {
		return domain.Event{}, fmt.Errorf("event %d: %w", row.ID, err)
	}
	windows, err := windowsFromText(row.VoidWindows)
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
			Deadline:       instant(row.Deadline),
			State:          domain.State(row.State),
			Suspended:      row.Suspended != 0,
			ResultRevision: row.ResultRevision,
			EffectiveAt:    instantOrZero(row.EffectiveAt),
			RecordedBy:     instantOrZero(row.RecordedBy),
			CreatedAt:      instant(row.CreatedAt),
			UpdatedAt:      instant(row.UpdatedAt),
		},
		Quarantined:    row.Quarantined != 0,
		VoidBefore:     instantOrZero(row.VoidBefore),
		VoidWindows:    windows,
		ClosedAt:       instantOrZero(row.ClosedAt),
		ResultedAt:     instantOrZero(row.ResultedAt),
		SettleRevision: row.SettleRevision,
	}, nil
}

func eventToRow(e domain.Event) (sqlitedb.WriteEventParams, error) {
	windows, err := windowsToText(e.VoidWindows)
	if err != nil {
		return sqlitedb.WriteEventParams{}, fmt.Errorf("event %d: %w", e.ID, err)
	}
	return sqlitedb.WriteEventParams{
		ID:             int64(e.ID),
		Dataset:        e.Dataset,
		Seq:            e.Seq,
		Version:        e.Version,
		Name:           e.Name,
		Coefficient:    e.Coefficient.Hundredths(),
		Deadline:       e.Deadline.UnixMicro(),
		State:          int64(e.State),
		Suspended:      flag(e.Suspended),
		ResultRevision: e.ResultRevision,
		EffectiveAt:    microsOrNull(e.EffectiveAt),
		CreatedAt:      e.CreatedAt.UnixMicro(),
		UpdatedAt:      e.UpdatedAt.UnixMicro(),
		Quarantined:    flag(e.Quarantined),
		VoidBefore:     microsOrNull(e.VoidBefore),
		VoidWindows:    windows,
		ClosedAt:       microsOrNull(e.ClosedAt),
		ResultedAt:     microsOrNull(e.ResultedAt),
		SettleRevision: e.SettleRevision,
		RecordedBy:     microsOrNull(e.RecordedBy),
	}, nil
}

// noWindows is the text of an empty list of void windows, as most events have it.
const noWindows = "[]"

func windowsFromText(text string) (windows []domain.VoidWindow, err error) {
	if text == noWindows {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &windows); err != nil {
		return nil, fmt.Errorf("void windows: %w", err)
	}
	return windows, nil
}

func windowsToText(windows []domain.VoidWindow) (string, error) {
	if len(windows) == 0 {
		return noWindows, nil
	}
	text, err := json.Marshal(windows)
	if err != nil {
		return "", fmt.Errorf("void windows: %w", err)
	}
	return string(text), nil
}

func betFromRow(row sqlitedb.Bet) (domain.Bet, error) {
	coefficient, err := odds.FromHundredths(row.Coefficient)
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
		AcceptedAt:   instant(row.AcceptedAt),
		HalfEven:     row.HalfEven != 0,
		Standing: domain.Standing{
			Settlement: domain.Settlement{Status: domain.Status(row.Status)},
			Revision:   row.SettleRevision,
			SettledAt:  instantOrZero(row.SettledAt),
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

func betToRow(b domain.Bet) sqlitedb.InsertBetParams {
	return sqlitedb.InsertBetParams{
		ID:             int64(b.ID),
		UserID:         int64(b.UserID),
		EventID:        int64(b.EventID),
		Stake:          b.Stake.Minor(),
		Coefficient:    b.Coefficient.Hundredths(),
		EventVersion:   b.EventVersion,
		AcceptedAt:     b.AcceptedAt.UnixMicro(),
		SettleRevision: b.Revision,
	}
}

func settlementToRow(bet domain.BetID, s domain.Standing) sqlitedb.SettleBetParams {
	row := sqlitedb.SettleBetParams{
		ID:             int64(bet),
		Status:         int64(s.Status),
		SettleRevision: s.Revision,
		SettledAt:      microsOrNull(s.SettledAt),
	}
	if s.Status != domain.StatusPending {
		row.Payout = new(s.Payout.Minor())
	}
	if s.VoidReason != 0 {
		row.VoidReason = new(int64(s.VoidReason))
	}
	return row
}

// verdictKey names a stored verdict.
type verdictKey struct {
	user      domain.UserID // of the request
	operation domain.Operation
	key       string
}

func keyOfBet(key domain.VerdictKey) verdictKey {
	return verdictKey{key.UserID, domain.OperationBet, key.Key}
}

func keyOfPayment(p domain.Payment) verdictKey {
	return verdictKey{p.By, p.Operation(), p.IdempotencyKey}
}

// verdictFromRow returns a verdict without its bet.
func verdictFromRow(row sqlitedb.Verdict) (verdict domain.Verdict, err error) {
	verdict.RequestID = row.RequestID
	if !fill(verdict.Fingerprint[:], row.Fingerprint) {
		return verdict, fmt.Errorf("verdict of user %d: a fingerprint of %d bytes", row.UserID, len(row.Fingerprint))
	}
	if row.Refusal == nil {
		return verdict, nil
	}
	if row.Params == nil {
		return verdict, fmt.Errorf("verdict of user %d: a refusal without parameters", row.UserID)
	}
	if err := json.Unmarshal([]byte(*row.Params), &verdict.Refusal); err != nil {
		return verdict, fmt.Errorf("verdict of user %d: %w", row.UserID, err)
	}
	verdict.Refusal.Code = domain.RefusalCode(*row.Refusal)
	return verdict, nil
}

// paymentVerdictFromRow returns a verdict on a payment without its transfer.
func paymentVerdictFromRow(row sqlitedb.Verdict) (domain.PaymentVerdict, error) {
	v, err := verdictFromRow(row)
	return domain.PaymentVerdict{Fingerprint: v.Fingerprint, Refusal: v.Refusal, RequestID: v.RequestID}, err
}

func verdictToRow(key verdictKey, v domain.Verdict, decidedAt time.Time) (sqlitedb.InsertVerdictParams, error) {
	row := sqlitedb.InsertVerdictParams{
		UserID:      int64(key.user),
		Operation:   int64(key.operation),
		Key:         key.key,
		Fingerprint: v.Fingerprint[:],
		RequestID:   v.RequestID,
		DecidedAt:   decidedAt.UnixMicro(),
	}
	if v.Accepted() {
		row.BetID = new(int64(v.Bet.ID))
	}
	if v.Refusal.IsZero() {
		return row, nil
	}
	params, err := json.Marshal(v.Refusal)
	if err != nil {
		return row, fmt.Errorf("refusal of user %d: %w", row.UserID, err)
	}
	row.Refusal, row.Params = new(int64(v.Refusal.Code)), new(string(params))
	return row, nil
}

func paymentVerdictToRow(key verdictKey, v domain.PaymentVerdict, decidedAt time.Time) (sqlitedb.InsertVerdictParams, error) {
	row, err := verdictToRow(key, domain.Verdict{Fingerprint: v.Fingerprint, Refusal: v.Refusal, RequestID: v.RequestID}, decidedAt)
	if v.Refusal.IsZero() {
		row.TransferID = new(int64(v.Transfer.ID))
	}
	return row, err
}

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

// walletToRow returns the columns that bets, settlements and payments change.
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

// restrictionsToRow returns the columns that users change themselves.
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

func auditRecordFromRow(row sqlitedb.AuditLog) domain.AuditRecord {
	return domain.AuditRecord{
		ID:      row.ID,
		At:      instant(row.At),
		Origin:  domain.Origin{By: domain.UserID(row.ActorID), Address: row.Address, RequestID: row.RequestID, ServerRequestID: row.ServerRequestID},
		Action:  row.Action,
		Subject: row.Subject,
		Reason:  row.Reason,
		Changed: slices.Collect(strings.FieldsSeq(row.Changed)),
		Before:  jsonOrNil(row.Before),
		After:   jsonOrNil(row.After),
	}
}

func auditRecordToRow(r domain.AuditRecord, now time.Time) sqlitedb.InsertAuditRecordParams {
	return sqlitedb.InsertAuditRecordParams{
		At:              now.UnixMicro(),
		ActorID:         int64(r.By),
		Address:         r.Address,
		RequestID:       r.RequestID,
		ServerRequestID: r.ServerRequestID,
		Changed:         strings.Join(r.Changed, " "),
		Action:          r.Action,
		Subject:         r.Subject,
		Reason:          r.Reason,
		Before:          jsonOrNull(r.Before),
		After:           jsonOrNull(r.After),
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

func credentialsFromRow(row sqlitedb.User) ports.Credentials {
	return ports.Credentials{
		User: domain.User{
			ID:           domain.UserID(row.ID),
			Name:         row.Name,
			Username:     row.Username,
			Email:        row.Email,
			Role:         domain.Role(row.Role),
			Active:       row.Active != 0,
			TokenVersion: int32(row.TokenVersion),
			CreatedAt:    instant(row.CreatedAt),
			UpdatedAt:    instant(row.UpdatedAt),
		},
		PasswordHash: row.PasswordHash,
	}
}

func userToInsert(user ports.Credentials, now time.Time) sqlitedb.InsertUserParams {
	return sqlitedb.InsertUserParams{
		Name:           user.Name,
		Username:       user.Username,
		UsernameFolded: domain.FoldCase(user.Username),
		Email:          user.Email,
		EmailFolded:    domain.FoldCase(user.Email),
		PasswordHash:   user.PasswordHash,
		Role:           int64(user.Role),
		Active:         flag(user.Active),
		TokenVersion:   int64(user.TokenVersion),
		Now:            now.UnixMicro(),
	}
}

func userToUpdate(id domain.UserID, user ports.Credentials, now time.Time) sqlitedb.UpdateUserParams {
	return sqlitedb.UpdateUserParams{
		ID:             int64(id),
		Name:           user.Name,
		Username:       user.Username,
		UsernameFolded: domain.FoldCase(user.Username),
		Email:          user.Email,
		EmailFolded:    domain.FoldCase(user.Email),
		PasswordHash:   user.PasswordHash,
		Role:           int64(user.Role),
		Active:         flag(user.Active),
		TokenVersion:   int64(user.TokenVersion),
		UpdatedAt:      now.UnixMicro(),
	}
}

// list returns ids as a JSON array, which is how queries take lists.
func list[ID ~int64](ids []ID) string {
	text := []byte{'['}
	for i, id := range ids {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, int64(id), 10)
	}
	return string(append(text, ']'))
}

// usersByKey returns the keys of a batch as a JSON object: the name is the key, the value is its user. A
// key that several placements share appears several times.
func usersByKey(batch []domain.Placement) (string, error) {
	text := []byte{'{'}
	for _, placement := range batch {
		if placement.IdempotencyKey == "" {
			continue
		}
		if len(text) > 1 {
			text = append(text, ',')
		}
		key, err := json.Marshal(placement.IdempotencyKey)
		if err != nil {
			return "", fmt.Errorf("encode an idempotency key: %w", err)
		}
		text = append(append(text, key...), ':')
		text = strconv.AppendInt(text, int64(placement.UserID), 10)
	}
	return string(append(text, '}')), nil
}

// fill copies stored bytes. It returns false if their number is wrong.
func fill(into, stored []byte) bool {
	return copy(into, stored) == len(into) && len(stored) == len(into)
}

func instant(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func instantOrZero(micros *int64) time.Time {
	if micros == nil {
		return time.Time{}
	}
	return instant(*micros)
}

func microsOrNull(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return new(t.UnixMicro())
}

// flag returns a boolean as an integer, since strict tables have no booleans.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
