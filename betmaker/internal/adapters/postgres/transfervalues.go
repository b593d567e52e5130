package postgres

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/money"
)

// transferColumns are the types of what is selected of a transfer, in order.
var transferColumns = []uint32{
	pgtype.Int8OID, pgtype.Int8OID, pgtype.Int2OID, pgtype.Int2OID, pgtype.Int8OID, pgtype.Int2OID, pgtype.Int8OID,
	pgtype.Int8OID, pgtype.TextOID, pgtype.TimestamptzOID,
}

// scanTransfers reads up to a number of transfers.
func scanTransfers(rows pgx.Rows, atMost int) ([]domain.Transfer, error) {
	transfers := make([]domain.Transfer, 0, min(atMost, roomForRows))
	err := forEachRow(rows, transferColumns, func(values [][]byte) error {
		transfers = append(transfers, transferFromValues(values))
		return nil
	})
	return transfers, err
}

func transferFromValues(values [][]byte) domain.Transfer {
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
	return transfer
}
