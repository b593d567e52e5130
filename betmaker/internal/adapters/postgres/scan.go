package postgres

import (
	"encoding/binary"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// collect decodes the rows of a statement. Its columns are the fields of Row in order, as in the generated
// code. It gives the results of the generated code without its allocations and look-ups for each row, which
// would make pages of bets, settling and sealing slower, see BenchmarkListBets.
func collect[Row any](results pgx.BatchResults) ([]Row, error) {
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var row Row
	fields, columns := fieldsOf(reflect.ValueOf(&row).Elem(), nil), rows.FieldDescriptions()
	items := make([]Row, 0, roomForRows)
	for rows.Next() {
		if !scanAll(rows.RawValues(), columns, fields) {
			if err := rows.Scan(fields...); err != nil {
				return nil, err
			}
		}
		items = append(items, row)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return items, nil
}

// roomForRows is the first capacity for the rows of a statement.
const roomForRows = 64

// fieldsOf appends pointers to the fields of a row and of the rows embedded in it.
func fieldsOf(row reflect.Value, pointers []any) []any {
	for _, field := range row.Fields() {
		if field.Kind() == reflect.Struct && field.Type().PkgPath() == row.Type().PkgPath() {
			pointers = fieldsOf(field, pointers)
		} else {
			pointers = append(pointers, field.Addr().Interface())
		}
	}
	return pointers
}

// scanAll decodes the values of a row, or returns false if it has no decoder for one.
func scanAll(values [][]byte, columns []pgconn.FieldDescription, into []any) bool {
	if len(values) != len(into) {
		return false
	}
	for i := range into {
		if !scan(values[i], &columns[i], into[i]) {
			return false
		}
	}
	return true
}

func scan(value []byte, column *pgconn.FieldDescription, into any) bool {
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
	case *bool:
		return scanInto(value, column, pgtype.BoolOID, boolValue, into)
	case *time.Time:
		return scanInto(value, column, pgtype.TimestamptzOID, instantValue, into)
	case *string:
		return scanInto(value, column, pgtype.TextOID, textValue, into)
	case *pgtype.TID:
		return scanInto(value, column, pgtype.TIDOID, tidValue, into)
	case *pgtype.Int8:
		*into = pgtype.Int8{Valid: value != nil}
		return !into.Valid || scanInto(value, column, pgtype.Int8OID, int8Value, &into.Int64)
	case *pgtype.Int2:
		*into = pgtype.Int2{Valid: value != nil}
		return !into.Valid || scanInto(value, column, pgtype.Int2OID, int2Value, &into.Int16)
	case *pgtype.Timestamptz:
		*into = pgtype.Timestamptz{Valid: value != nil}
		return !into.Valid || scanInto(value, column, pgtype.TimestamptzOID, instantValue, &into.Time)
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

func int8Value(value []byte) int64 { return int64(binary.BigEndian.Uint64(value)) }

func int4Value(value []byte) int32 { return int32(binary.BigEndian.Uint32(value)) }

func int2Value(value []byte) int16 { return int16(binary.BigEndian.Uint16(value)) }

func boolValue(value []byte) bool { return value[0] == 1 }

func textValue(value []byte) string { return string(value) }

func tidValue(value []byte) pgtype.TID {
	return pgtype.TID{BlockNumber: binary.BigEndian.Uint32(value), OffsetNumber: binary.BigEndian.Uint16(value[4:]), Valid: true}
}

// instantValue reads microseconds since the year 2000. The schema allows no infinite instants.
func instantValue(value []byte) time.Time {
	return time.UnixMicro(instantZero + int8Value(value)).UTC()
}
