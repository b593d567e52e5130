package postgres

import (
	"encoding/binary"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// fastRows are rows whose Scan decodes the common types itself. It gives the results of pgx, which looks up
// a plan for every value of every row; pages of bets, settling and sealing would be measurably slower by
// that, see BenchmarkListBets.
type fastRows struct {
	pgx.Rows

	columns []pgconn.FieldDescription
}

// Scan implements pgx.Rows.
func (r *fastRows) Scan(into ...any) error {
	if r.columns == nil {
		r.columns = r.FieldDescriptions()
	}
	values := r.RawValues()
	if len(values) != len(into) {
		return r.Rows.Scan(into...)
	}
	for i := range into {
		if !scanFast(values[i], &r.columns[i], into[i]) {
			return r.Rows.Scan(into...)
		}
	}
	return nil
}

// scanFast decodes a value, or returns false if it does not know how.
func scanFast(value []byte, column *pgconn.FieldDescription, into any) bool {
	if column.Format != pgx.BinaryFormatCode && column.DataTypeOID != pgtype.TextOID { // text is the same in both formats
		return false
	}
	switch into := into.(type) {
	case *int64:
		return scanInto(value, column, pgtype.Int8OID, int8Value, into)
	case *int32:
		return scanInto(value, column, pgtype.Int4OID, int4Value, into)
	case *int16:
		return scanInto(value, column, pgtype.Int2OID, int2Value, into)
	case *time.Time:
		return scanInto(value, column, pgtype.TimestamptzOID, instantValue, into)
	case *string:
		return scanInto(value, column, pgtype.TextOID, textValue, into)
	case *pgtype.TID:
		return scanInto(value, column, pgtype.TIDOID, tidValue, into)
	case **int64:
		return scanNullable(value, column, pgtype.Int8OID, int8Value, into)
	case **int16:
		return scanNullable(value, column, pgtype.Int2OID, int2Value, into)
	case **time.Time:
		return scanNullable(value, column, pgtype.TimestamptzOID, instantValue, into)
	default:
		return false
	}
}

func scanInto[T any](value []byte, column *pgconn.FieldDescription, oid uint32, decode func([]byte) T, into *T) bool {
	if value == nil || column.DataTypeOID != oid {
		return false
	}
	*into = decode(value)
	return true
}

func scanNullable[T any](value []byte, column *pgconn.FieldDescription, oid uint32, decode func([]byte) T, into **T) bool {
	if value == nil {
		*into = nil
		return true
	}
	*into = new(T)
	return scanInto(value, column, oid, decode, *into)
}

func int8Value(value []byte) int64 { return int64(binary.BigEndian.Uint64(value)) }

func int4Value(value []byte) int32 { return int32(binary.BigEndian.Uint32(value)) }

func int2Value(value []byte) int16 { return int16(binary.BigEndian.Uint16(value)) }

func textValue(value []byte) string { return string(value) }

func tidValue(value []byte) pgtype.TID {
	return pgtype.TID{BlockNumber: binary.BigEndian.Uint32(value), OffsetNumber: binary.BigEndian.Uint16(value[4:]), Valid: true}
}

// instantValue reads microseconds since the year 2000. The schema allows no infinite instants.
func instantValue(value []byte) time.Time {
	return time.UnixMicro(instantZero + int8Value(value)).UTC()
}
