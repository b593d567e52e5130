package postgres

import (
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// betColumns are the types of what is selected of a bet, in order.
var betColumns = [...]uint32{
	pgtype.Int8OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.TimestamptzOID,
	pgtype.Int2OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.Int2OID, pgtype.TimestamptzOID,
}

// lockedBetColumns are those of bets that are locked to be settled.
var lockedBetColumns = append(betColumns[:], pgtype.TIDOID)

// scanBets reads up to a number of bets.
func scanBets(rows pgx.Rows, atMost int) ([]domain.Bet, error) {
	bets := make([]domain.Bet, 0, min(atMost, roomForRows))
	err := forEachRow(rows, betColumns[:], func(values [][]byte) error {
		bet, err := betFromValues(values)
		bets = append(bets, bet)
		return err
	})
	return bets, err
}

// scanLockedBets reads up to a number of bets and where they are in the table.
func scanLockedBets(rows pgx.Rows, atMost int) ([]domain.Bet, []pgtype.TID, error) {
	room := min(atMost, roomForRows)
	bets, tids := make([]domain.Bet, 0, room), make([]pgtype.TID, 0, room)
	err := forEachRow(rows, lockedBetColumns, func(values [][]byte) error {
		bet, err := betFromValues(values)
		bets, tids = append(bets, bet), append(tids, tidValue(values[len(betColumns)]))
		return err
	})
	return bets, tids, err
}

func betFromValues(values [][]byte) (domain.Bet, error) {
	id := int8Value(values[0])
	coefficient, err := odds.FromHundredths(int64(int4Value(values[4])))
	if err != nil {
		return domain.Bet{}, fmt.Errorf("bet %d: %w", id, err)
	}
	bet := domain.Bet{
		ID:           domain.BetID(id),
		UserID:       domain.UserID(int8Value(values[1])),
		EventID:      domain.EventID(int8Value(values[2])),
		Stake:        money.FromMinor(int8Value(values[3])),
		Coefficient:  coefficient,
		EventVersion: int8Value(values[5]),
		AcceptedAt:   instantValue(values[6]),
		Standing: domain.Standing{
			Settlement: domain.Settlement{Status: domain.Status(int2Value(values[7]))},
			Revision:   int8Value(values[9]),
		},
	}
	if payout := values[8]; payout != nil {
		bet.Payout = money.FromMinor(int8Value(payout))
	}
	if reason := values[10]; reason != nil {
		bet.VoidReason = domain.VoidReason(int2Value(reason))
	}
	if at := values[11]; at != nil {
		bet.SettledAt = instantValue(at)
	}
	return bet, nil
}
