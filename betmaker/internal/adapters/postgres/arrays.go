package postgres

import (
	"encoding/binary"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// writeSlicesAtOnce registers codecs that encode slices of numbers, instants and tids directly. The
// library's codec, which is for all types, allocates an object for each element, which made settling slow.
func writeSlicesAtOnce(conn *pgx.Conn) {
	register(conn, pgtype.Int8ArrayOID, pgtype.Int8OID, func(dst []byte, number int64) []byte {
		return binary.BigEndian.AppendUint64(dst, uint64(number))
	})
	register(conn, pgtype.Int4ArrayOID, pgtype.Int4OID, func(dst []byte, number int32) []byte {
		return binary.BigEndian.AppendUint32(dst, uint32(number))
	})
	register(conn, pgtype.Int2ArrayOID, pgtype.Int2OID, func(dst []byte, number int16) []byte {
		return binary.BigEndian.AppendUint16(dst, uint16(number))
	})
	register(conn, pgtype.TIDArrayOID, pgtype.TIDOID, func(dst []byte, tid pgtype.TID) []byte {
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(dst, tid.BlockNumber), tid.OffsetNumber)
	})
	register(conn, pgtype.TimestamptzArrayOID, pgtype.TimestamptzOID, func(dst []byte, instant time.Time) []byte {
		return binary.BigEndian.AppendUint64(dst, uint64(instant.UnixMicro()-instantZero))
	})
}

// instantZero is the epoch of PostgreSQL in microseconds since 1970.
var instantZero = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func register[T any](conn *pgx.Conn, array, element uint32, appendTo func([]byte, T) []byte) {
	if known, ok := conn.TypeMap().TypeForOID(array); ok {
		known = &pgtype.Type{Name: known.Name, OID: array, Codec: sliceCodec[T]{known.Codec, element, appendTo}}
		conn.TypeMap().RegisterType(known)
	}
}

// sliceCodec is the codec of an array that encodes slices of T itself. A T is never null.
type sliceCodec[T any] struct {
	pgtype.Codec

	element  uint32 // its OID
	appendTo func(dst []byte, element T) []byte
}

// PlanEncode implements pgtype.Codec.
func (c sliceCodec[T]) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.([]T); ok && format == pgtype.BinaryFormatCode {
		return c
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

// Encode implements pgtype.EncodePlan.
func (c sliceCodec[T]) Encode(value any, dst []byte) ([]byte, error) {
	elements := value.([]T) //nolint:forcetypeassert,errcheck // PlanEncode has checked the type
	const dimensions, nulls, firstIndex = 1, 0, 1
	for _, word := range [...]uint32{dimensions, nulls, c.element, uint32(len(elements)), firstIndex} {
		dst = binary.BigEndian.AppendUint32(dst, word)
	}
	for _, element := range elements {
		start := len(dst)
		dst = c.appendTo(append(dst, 0, 0, 0, 0), element)
		binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	}
	return dst, nil
}
