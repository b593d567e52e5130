package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

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

// roomForBets bounds the room that is made for bets before they are there: who asks for up to a
// million may get three.
const roomForBets = 512

// errBetColumns: what is selected is not what is read.
var errBetColumns = errors.New("the columns of bets are not as expected")

// scanBets reads up to a number of bets.
func scanBets(rows pgx.Rows, atMost int) ([]domain.Bet, error) {
	bets := make([]domain.Bet, 0, min(atMost, roomForBets))
	err := forEachBet(rows, betColumns[:], func(bet domain.Bet, _ [][]byte) { bets = append(bets, bet) })
	return bets, err
}

// scanLockedBets reads up to a number of bets and where they are in the table.
func scanLockedBets(rows pgx.Rows, atMost int) ([]domain.Bet, []pgtype.TID, error) {
	room := min(atMost, roomForBets)
	bets, tids := make([]domain.Bet, 0, room), make([]pgtype.TID, 0, room)
	err := forEachBet(rows, lockedBetColumns, func(bet domain.Bet, values [][]byte) {
		bets, tids = append(bets, bet), append(tids, tidValue(values[len(betColumns)]))
	})
	return bets, tids, err
}

// forEachBet reads bets out of the values as they came from the server, of which those of the
// bet come first. To have pgx look each value up, and to keep what may be null behind pointers,
// took a fifth of bet-maker's time for a page of bets.
func forEachBet(rows pgx.Rows, columns []uint32, do func(bet domain.Bet, values [][]byte)) error {
	defer rows.Close()
	selected := rows.FieldDescriptions()
	if len(selected) != len(columns) {
		return errBetColumns
	}
	for i, column := range selected {
		if column.DataTypeOID != columns[i] || column.Format != pgx.BinaryFormatCode {
			return fmt.Errorf("%w: %s", errBetColumns, column.Name)
		}
	}
	for rows.Next() {
		values := rows.RawValues()
		bet, err := betFromValues(values)
		if err != nil {
			return err
		}
		do(bet, values)
	}
	return rows.Err()
}

func betFromValues(values [][]byte) (domain.Bet, error) {
	id := int8Value(values[0])
	coefficient, err := odds.FromHundredths(int64(int32(binary.BigEndian.Uint32(values[4]))))
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
		Settlement: domain.Settlement{
			Outcome:  domain.Outcome{Status: domain.Status(int2Value(values[7]))},
			Revision: int8Value(values[9]),
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

func int8Value(value []byte) int64 { return int64(binary.BigEndian.Uint64(value)) }

func int2Value(value []byte) int16 { return int16(binary.BigEndian.Uint16(value)) }

func tidValue(value []byte) pgtype.TID {
	return pgtype.TID{BlockNumber: binary.BigEndian.Uint32(value), OffsetNumber: binary.BigEndian.Uint16(value[4:]), Valid: true}
}

// instantValue reads microseconds since the year 2000. There are no infinite instants in bets.
func instantValue(value []byte) time.Time {
	return time.UnixMicro(instantZero + int8Value(value)).UTC()
}
