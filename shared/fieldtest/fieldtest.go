// Package fieldtest fills structs by reflection. With it the test of a mapping fails for a field that
// was added to a struct and forgotten in the mapping.
package fieldtest

import (
	"fmt"
	"iter"
	"reflect"
	"time"

	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// TB is the part of testing.TB that rapid.T has, too.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// first is the number of the first field. As a price it is 1.00, the lowest that the line allows.
const first = 100

// Full returns a T without a zero field. Fields of one type have different values.
func Full[T any](t TB) T {
	t.Helper()
	var v T
	return Completed(t, v)
}

// Completed returns a struct with the values of Full in the fields that are zero in v.
func Completed[T any](t TB, v T) T {
	t.Helper()
	s := reflect.ValueOf(&v).Elem()
	for i := range s.NumField() {
		if s.Field(i).IsZero() {
			set(t, s.Field(i), first+int64(i))
		}
	}
	return v
}

// Drawn returns a T with each field made from a number. The number 0 makes the zero value, other
// numbers make others, unless the type is too small for them. Instants are in whole seconds.
func Drawn[T any](t TB, number func(field string) int64) T {
	t.Helper()
	var v T
	s := reflect.ValueOf(&v).Elem()
	for i := range s.NumField() {
		set(t, s.Field(i), number(s.Type().Field(i).Name))
	}
	return v
}

// Variants returns copies of a struct, by the name of the only field in which they differ from it.
func Variants[T any](t TB, of T) iter.Seq2[string, T] {
	t.Helper()
	return func(yield func(string, T) bool) {
		for i := range reflect.TypeFor[T]().NumField() {
			v := of
			field := reflect.ValueOf(&v).Elem().Field(i)
			before := field.Interface()
			for _, number := range []int64{first, first + 1, 0} {
				if set(t, field, number); !reflect.DeepEqual(field.Interface(), before) {
					break
				}
			}
			if !yield(reflect.TypeFor[T]().Field(i).Name, v) {
				return
			}
		}
	}
}

func set(t TB, v reflect.Value, n int64) {
	t.Helper()
	v.SetZero()
	if n == 0 {
		return
	}
	switch field := v.Addr().Interface().(type) {
	case *time.Time:
		const years10000 = 253_402_300_800
		*field = time.Unix(n%years10000, 0).UTC()
		return
	case *odds.Decimal:
		*field, _ = odds.FromHundredths(max(n%10_000_000, -n%10_000_000)) // always within its range
		return
	case *money.Amount:
		*field = money.FromMinor(n % 10_000_000_000_000)
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", n))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(n)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		set(t, v.Elem(), n)
	case reflect.Map: // with one entry, such as a nullable.Nullable
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		set(t, key, n)
		set(t, value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	default:
		t.Fatalf("package fieldtest does not know how to make a %s", v.Type())
	}
}
