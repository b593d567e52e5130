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

// This file reads rows out of the values as they came from the server. To have pgx look each
// value up, and to keep what may be null behind pointers, took a fifth of bet-maker's time for
// a page of bets, and two thirds of it for a seal.

// betColumns are the types of what is selected of a bet, in order.
var betColumns = []uint32{
	pgtype.Int8OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.TimestamptzOID,
	pgtype.Int2OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.Int2OID, pgtype.TimestamptzOID,
}

// transferColumns are the types of what is selected of a transfer, in order.
var transferColumns = []uint32{
	pgtype.Int8OID, pgtype.Int8OID, pgtype.Int2OID, pgtype.Int2OID, pgtype.Int8OID, pgtype.Int2OID,
	pgtype.Int8OID, pgtype.Int8OID, pgtype.TextOID, pgtype.TimestamptzOID,
}

// roomForRows bounds the room that is made for rows before they are there: who asks for up to a
// million may get three.
const roomForRows = 512

// errColumns: what is selected is not what is read.
var errColumns = errors.New("the columns are not as expected")

// scanBets reads up to a number of bets.
func scanBets(rows pgx.Rows, atMost int) ([]domain.Bet, error) {
	return scanValues(rows, atMost, betColumns, betFromValues)
}

// scanTransfers reads up to a number of transfers.
func scanTransfers(rows pgx.Rows, atMost int) ([]domain.Transfer, error) {
	return scanValues(rows, atMost, transferColumns, transferFromValues)
}

func scanValues[T any](rows pgx.Rows, atMost int, types []uint32, read func(values [][]byte) (T, error)) ([]T, error) {
	defer rows.Close()
	columns := rows.FieldDescriptions()
	if len(columns) != len(types) {
		return nil, errColumns
	}
	for i, column := range columns {
		if column.DataTypeOID != types[i] || column.Format != pgx.BinaryFormatCode && column.DataTypeOID != pgtype.TextOID {
			return nil, fmt.Errorf("%w: %s", errColumns, column.Name)
		}
	}
	scanned := make([]T, 0, min(atMost, roomForRows))
	for rows.Next() {
		one, err := read(rows.RawValues())
		if err != nil {
			return nil, err
		}
		scanned = append(scanned, one)
	}
	return scanned, rows.Err()
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

func transferFromValues(values [][]byte) (domain.Transfer, error) {
	transfer := domain.Transfer{
		ID:        domain.TransferID(int8Value(values[0])),
		UserID:    domain.UserID(int8Value(values[1])),
		Debit:     domain.Account(int2Value(values[2])),
		Credit:    domain.Account(int2Value(values[3])),
		Amount:    money.FromMinor(int8Value(values[4])),
		Kind:      domain.TransferKind(int2Value(values[5])),
		Revision:  int8Value(values[7]),
		Reference: string(values[8]),
		At:        instantValue(values[9]),
	}
	if bet := values[6]; bet != nil {
		transfer.BetID = domain.BetID(int8Value(bet))
	}
	return transfer, nil
}

func int8Value(value []byte) int64 { return int64(binary.BigEndian.Uint64(value)) }

func int2Value(value []byte) int16 { return int16(binary.BigEndian.Uint16(value)) }

// instantValue reads microseconds since the year 2000. There are no infinite instants in what is read here.
func instantValue(value []byte) time.Time {
	return time.UnixMicro(instantZero + int8Value(value)).UTC()
}
