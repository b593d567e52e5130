package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// roomForRows bounds the room that is made for rows before they are there: who asks for up to a
// million may get three.
const roomForRows = 512

// errColumns: what is selected is not what is read.
var errColumns = errors.New("the columns are not as expected")

// forEachRow reads rows by the values as they came from the server, of which columns are the types.
// To have pgx look each value up, and to keep what may be null behind pointers, took a fifth of
// bet-maker's time for a page of bets. The values are those of the next row after do has returned.
func forEachRow(rows pgx.Rows, columns []uint32, do func(values [][]byte) error) error {
	defer rows.Close()
	selected := rows.FieldDescriptions()
	if len(selected) != len(columns) {
		return errColumns
	}
	for i, column := range selected {
		readable := column.Format == pgx.BinaryFormatCode || column.DataTypeOID == pgtype.TextOID // which is the same in any format
		if column.DataTypeOID != columns[i] || !readable {
			return fmt.Errorf("%w: %s", errColumns, column.Name)
		}
	}
	for rows.Next() {
		if err := do(rows.RawValues()); err != nil {
			return err
		}
	}
	return rows.Err()
}

func int8Value(value []byte) int64 { return int64(binary.BigEndian.Uint64(value)) }

func int4Value(value []byte) int32 { return int32(binary.BigEndian.Uint32(value)) }

func int2Value(value []byte) int16 { return int16(binary.BigEndian.Uint16(value)) }

func tidValue(value []byte) pgtype.TID {
	return pgtype.TID{BlockNumber: binary.BigEndian.Uint32(value), OffsetNumber: binary.BigEndian.Uint16(value[4:]), Valid: true}
}

// instantValue reads microseconds since the year 2000. No instant that is read by it is infinite.
func instantValue(value []byte) time.Time {
	return time.UnixMicro(instantZero + int8Value(value)).UTC()
}
