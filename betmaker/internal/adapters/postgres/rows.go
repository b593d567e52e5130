package postgres

import (
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
		ClosedAt:       timeOrZero(row.ClosedAt),
		ResultedAt:     timeOrZero(row.ResultedAt),
		SettleRevision: row.SettleRevision,
	}, nil
}

func eventsFromRows(rows []pgdb.Event) ([]domain.Event, error) {
	return mapRows(rows, eventFromRow)
}

func eventsToArrays(events []domain.Event) pgdb.WriteEventsParams {
	var p pgdb.WriteEventsParams
	for _, e := range events {
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
		p.ClosedAt = append(p.ClosedAt, e.ClosedAt)
		p.ResultedAt = append(p.ResultedAt, e.ResultedAt)
		p.SettleRevisions = append(p.SettleRevisions, e.SettleRevision)
	}
	return p
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
		Settlement: domain.Settlement{
			Outcome:   domain.Outcome{Status: domain.Status(row.Status)},
			Revision:  row.SettleRevision,
			SettledAt: timeOrZero(row.SettledAt),
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

func betsFromRows(rows []pgdb.Bet) ([]domain.Bet, error) {
	return mapRows(rows, betFromRow)
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

func settlementsToArrays(bets []domain.Bet, settlements []domain.Settlement) pgdb.SettleBetsParams {
	var p pgdb.SettleBetsParams
	for i, s := range settlements {
		p.Ids = append(p.Ids, int64(bets[i].ID))
		p.Statuses = append(p.Statuses, int16(s.Status))
		p.Payouts = append(p.Payouts, s.Payout.Minor())
		p.VoidReasons = append(p.VoidReasons, int16(s.VoidReason))
		p.SettleRevisions = append(p.SettleRevisions, s.Revision)
		p.SettledAt = append(p.SettledAt, s.SettledAt)
	}
	return p
}

func verdictFromRow(row pgdb.StoredVerdictsRow) (domain.Verdict, error) {
	verdict := domain.Verdict{RequestID: row.RequestID}
	if copied := copy(verdict.Fingerprint[:], row.Fingerprint); copied != len(verdict.Fingerprint) || copied != len(row.Fingerprint) {
		return domain.Verdict{}, fmt.Errorf("verdict of user %d: a fingerprint of %d bytes", row.UserID, len(row.Fingerprint))
	}
	if row.Refusal != 0 {
		if err := json.Unmarshal(row.Params, &verdict.Refusal); err != nil {
			return domain.Verdict{}, fmt.Errorf("verdict of user %d: %w", row.UserID, err)
		}
		verdict.Refusal.Code = domain.RefusalCode(row.Refusal)
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
		Settlement:   domain.Settlement{Outcome: domain.Outcome{Status: domain.StatusPending}},
	}
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
		var params []byte
		if !v.Accepted() {
			var err error
			if params, err = json.Marshal(v.Refusal); err != nil {
				return p, fmt.Errorf("refusal of user %d: %w", v.key.UserID, err)
			}
		}
		p.UserIds = append(p.UserIds, int64(v.key.UserID))
		p.Keys = append(p.Keys, v.key.Key)
		p.Fingerprints = append(p.Fingerprints, v.Fingerprint[:])
		p.BetIds = append(p.BetIds, int64(v.Bet.ID))
		p.Refusals = append(p.Refusals, int16(v.Refusal.Code))
		p.Params = append(p.Params, string(params))
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
