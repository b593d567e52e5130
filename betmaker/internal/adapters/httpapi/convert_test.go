package httpapi

import (
	"reflect"
	"testing"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// Every member of the request makes another placement, so newPlacement ignores none.
func TestNewPlacementReadsEveryMember(t *testing.T) {
	t.Parallel()
	body := func() oapi.NewBet {
		return oapi.NewBet{EventID: 1, Amount: money.MustParse("1.00"), Coefficient: new(odds.MustParse("1.45")), OddsChange: new(oapi.OddsChangeNone)}
	}
	base, err := newPlacement(body())
	if err != nil {
		t.Fatal(err)
	}
	for field := range reflect.TypeFor[oapi.NewBet]().Fields() {
		other := body()
		member := reflect.ValueOf(&other).Elem().FieldByIndex(field.Index)
		if member.Kind() == reflect.Pointer {
			if member.IsNil() {
				member.Set(reflect.New(field.Type.Elem()))
			}
			member = member.Elem()
		}
		switch member.Interface().(type) {
		case money.Amount:
			member.Set(reflect.ValueOf(money.MustParse("2.00")))
		case odds.Decimal:
			member.Set(reflect.ValueOf(odds.MustParse("9.99")))
		case oapi.OddsChange:
			member.Set(reflect.ValueOf(oapi.OddsChangeHigher))
		default:
			switch member.Kind() {
			case reflect.Int64:
				member.SetInt(member.Int() + 1)
			case reflect.String:
				member.SetString("other")
			case reflect.Bool:
				member.SetBool(!member.Bool())
			default:
				t.Fatalf("%s: the test has no other value for a %s", field.Name, member.Type())
			}
		}
		if got, err := newPlacement(other); err != nil || got == base {
			t.Errorf("another %s makes the same placement, %+v, %v", field.Name, got, err)
		}
	}
}
