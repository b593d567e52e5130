package sqlite

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// This file maps rows to the domain and back. Instants are kept in microseconds since 1970:
// what is finer is cut off on the way in.

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

func eventsFromRows(rows []sqlitedb.Event) ([]domain.Event, error) {
	return mapRows(rows, eventFromRow)
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
	}, nil
}

// noWindows is how no void windows are stored, which nearly all events have.
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

func betsFromRows(rows []sqlitedb.Bet) ([]domain.Bet, error) {
	return mapRows(rows, betFromRow)
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
	user      domain.UserID // who asked
	operation domain.Operation
	key       string
}

func keyOfBet(key domain.VerdictKey) verdictKey {
	return verdictKey{key.UserID, domain.OperationBet, key.Key}
}

func keyOfPayment(p domain.Payment) verdictKey {
	return verdictKey{p.By, p.Operation(), p.IdempotencyKey}
}

// verdictFromRow returns a verdict, of an accepted one all but the bet.
func verdictFromRow(row sqlitedb.Verdict) (verdict domain.Verdict, err error) {
	verdict.RequestID = row.RequestID
	verdict.Fingerprint, verdict.Refusal, err = decidedFromRow(row)
	return verdict, err
}

// decidedFromRow returns of a verdict what all of them have.
func decidedFromRow(row sqlitedb.Verdict) (fingerprint [sha256.Size]byte, refusal domain.Refusal, err error) {
	if !fill(fingerprint[:], row.Fingerprint) {
		return fingerprint, refusal, fmt.Errorf("verdict of user %d: a fingerprint of %d bytes", row.UserID, len(row.Fingerprint))
	}
	if row.Refusal == nil {
		return fingerprint, refusal, nil
	}
	if row.Params == nil {
		return fingerprint, refusal, fmt.Errorf("verdict of user %d: a refusal without what it carried", row.UserID)
	}
	if err := json.Unmarshal([]byte(*row.Params), &refusal); err != nil {
		return fingerprint, refusal, fmt.Errorf("verdict of user %d: %w", row.UserID, err)
	}
	refusal.Code = domain.RefusalCode(*row.Refusal)
	return fingerprint, refusal, nil
}

func verdictToRow(key verdictKey, v domain.Verdict, decidedAt time.Time) (sqlitedb.InsertVerdictParams, error) {
	row := newVerdictRow(key, v.Fingerprint, v.RequestID, decidedAt)
	if v.Accepted() {
		row.BetID = new(int64(v.Bet.ID))
		return row, nil
	}
	return refusalToRow(row, v.Refusal)
}

// newVerdictRow returns what all verdicts have.
func newVerdictRow(key verdictKey, fingerprint [sha256.Size]byte, requestID string, decidedAt time.Time) sqlitedb.InsertVerdictParams {
	return sqlitedb.InsertVerdictParams{
		UserID:      int64(key.user),
		Operation:   int64(key.operation),
		Key:         key.key,
		Fingerprint: fingerprint[:],
		RequestID:   requestID,
		DecidedAt:   decidedAt.UnixMicro(),
	}
}

func refusalToRow(row sqlitedb.InsertVerdictParams, refusal domain.Refusal) (sqlitedb.InsertVerdictParams, error) {
	params, err := json.Marshal(refusal)
	if err != nil {
		return row, fmt.Errorf("refusal of user %d: %w", row.UserID, err)
	}
	row.Refusal, row.Params = new(int64(refusal.Code)), new(string(params))
	return row, nil
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

// list returns ids as the JSON array that queries take.
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

// usersByKey writes the keys of a batch as a JSON object, in which the value of each is its user. A
// key stands there as often as it is in the batch.
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

// fill copies stored bytes to where they belong, and tells whether they are as many as they
// have to be.
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

// flag returns a boolean as it is stored; strict tables have none.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
