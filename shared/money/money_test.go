package money_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

const largest = "99999999999.99"

func ExampleAmount_Payout() {
	stake := money.MustParse("10.01")
	fmt.Println(stake.Payout(odds.MustParse("1.50"))) // 15.015, rounded down
	fmt.Println(stake.PayoutHalfEven(odds.MustParse("1.50")))
	// Output:
	// 15.01
	// 15.02
}

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "0.01": 1, "10": 1000, "10.5": 1050, "10.50": 1050, "-10.50": -1050,
		largest: 9_999_999_999_999, "-" + largest: -9_999_999_999_999,
	} {
		got, err := money.Parse(text)
		if err != nil || got.Minor() != want {
			t.Errorf("Parse(%q) = %v, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "ten", "1.005", "1e3", "100000000000", "100000000000.00", "-100000000000.00", "1,00"} {
		if got, err := money.Parse(text); err == nil || got != (money.Amount{}) {
			t.Errorf("Parse(%q) = %v, %v; want an error and nothing", text, got, err)
		}
	}
}

func TestMustParsePanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("MustParse accepted 1.005")
		}
	}()
	money.MustParse("1.005")
}

func TestOrder(t *testing.T) {
	t.Parallel()
	debt, nothing, cent := money.FromMinor(-1), money.Amount{}, money.FromMinor(1)
	if !debt.Less(nothing) || !nothing.Less(cent) || cent.Less(cent) || cent.Less(debt) {
		t.Error("Less is not the order of the numbers")
	}
	if money.Min(cent, debt) != debt || money.Min(debt, cent) != debt || money.Max(cent, debt) != cent || money.Max(debt, cent) != cent {
		t.Error("Min and Max do not follow Less")
	}
	if debt.Neg() != cent || cent.Neg() != debt || nothing.Neg() != nothing {
		t.Error("Neg is wrong")
	}
	if debt.IsPositive() || nothing.IsPositive() || !cent.IsPositive() {
		t.Error("IsPositive is wrong")
	}
}

func TestPayout(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ stake, odds, want, halfEven string }{
		{"10.00", "1.45", "14.50", "14.50"},
		{"10.00", "1.00", "10.00", "10.00"},
		{"0.00", "5.00", "0.00", "0.00"},
		{"10.00", "0.00", "0.00", "0.00"},
		{"0.01", "1.49", "0.01", "0.01"},
		{"0.01", "1.50", "0.01", "0.02"}, // 1.5 cents: to the even 2
		{"0.01", "1.99", "0.01", "0.02"},
		{"0.01", "2.00", "0.02", "0.02"},
		{"0.01", "2.50", "0.02", "0.02"}, // 2.5 cents: to the even 2
		{"0.01", "0.50", "0.00", "0.00"}, // half a cent: to the even 0
		{"0.01", "2.51", "0.02", "0.03"},
		{"0.03", "1.50", "0.04", "0.04"}, // 4.5 cents: to the even 4
		{"0.05", "1.10", "0.05", "0.06"}, // 5.5 cents: to the even 6
		{"33.33", "3.33", "110.98", "110.99"},
		{"99999999999.49", "99999.99", "9999998999949000.00", "9999998999949000.01"},
		{largest, "99999.99", "9999998999999000.00", "9999998999999000.00"}, // rounded from ...999000.0001
	} {
		stake, price := money.MustParse(test.stake), odds.MustParse(test.odds)
		if got, halfEven := stake.Payout(price), stake.PayoutHalfEven(price); got.String() != test.want || halfEven.String() != test.halfEven {
			t.Errorf("%s at %s pays %s, half to even %s; want %s and %s", test.stake, test.odds, got, halfEven, test.want, test.halfEven)
		}
	}
}

// exactPayouts returns stake x odds in minor units, rounded down and half to even by math/big.
func exactPayouts(stake money.Amount, price odds.Decimal) (down, halfEven *big.Int) {
	exact := new(big.Rat).SetFrac64(price.Hundredths(), 100)
	exact.Mul(exact, new(big.Rat).SetInt64(stake.Minor()))
	down = new(big.Int).Quo(exact.Num(), exact.Denom()) // nothing is negative
	floor := new(big.Int).Set(down)
	rest := new(big.Rat).Sub(exact, new(big.Rat).SetInt(floor))
	switch rest.Cmp(big.NewRat(1, 2)) {
	case 1:
		floor.Add(floor, big.NewInt(1))
	case 0:
		if floor.Bit(0) == 1 {
			floor.Add(floor, big.NewInt(1))
		}
	}
	return down, floor
}

// checkPayouts compares both payouts with exactPayouts.
func checkPayouts(t *testing.T, stake money.Amount, price odds.Decimal) {
	t.Helper()
	down, halfEven := exactPayouts(stake, price)
	if got := stake.Payout(price); down.Cmp(big.NewInt(got.Minor())) != 0 {
		t.Fatalf("%s at %s pays %s, want %s minor units", stake, price, got, down)
	}
	if got := stake.PayoutHalfEven(price); halfEven.Cmp(big.NewInt(got.Minor())) != 0 {
		t.Fatalf("%s at %s pays %s half to even, want %s minor units", stake, price, got, halfEven)
	}
}

// The parts of a divided stake never pay more than the whole, nor less by a minor unit for each part. At 1.00
// and above no bet pays less than its stake.
func TestDividedStakePaysNoMore(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	for range 100_000 {
		price, err := odds.FromHundredths(100 + random.Int64N(1<<random.IntN(24))%(99999_99-99))
		if err != nil {
			t.Fatal(err)
		}
		var whole, paid money.Amount
		parts := 1 + random.Int64N(20)
		for range parts {
			stake := money.FromMinor(1 + random.Int64N(1<<random.IntN(35)))
			whole, paid = whole.Plus(stake), paid.Plus(stake.Payout(price))
			if stake.Payout(price).Less(stake) {
				t.Fatalf("%s at %s pays %s", stake, price, stake.Payout(price))
			}
		}
		if most := whole.Payout(price); most.Less(paid) || !most.Less(paid.Plus(money.FromMinor(parts))) {
			t.Fatalf("%s at %s pays %s, and %s in %d parts", whole, price, most, paid, parts)
		}
	}
}

func TestPayoutIsExact(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) // the same pairs in every run
	for range 1_000_000 {
		// Small numbers are as frequent as big ones, so that halves occur.
		stake := money.FromMinor(random.Int64N(1 << random.IntN(43)))
		price, err := odds.FromHundredths(random.Int64N(1<<random.IntN(24)) % (99999_99 + 1))
		if err != nil {
			t.Fatal(err)
		}
		checkPayouts(t, stake, price)
	}
}

func FuzzPayout(f *testing.F) {
	f.Add(int64(1), int64(150))
	f.Add(int64(1), int64(250))
	f.Add(int64(9_999_999_999_999), int64(99999_99))
	f.Fuzz(func(t *testing.T, minor, hundredths int64) {
		price, err := odds.FromHundredths(hundredths)
		if err != nil || minor < 0 || minor > 9_999_999_999_999 {
			return
		}
		checkPayouts(t, money.FromMinor(minor), price)
	})
}

func TestJSON(t *testing.T) {
	t.Parallel()
	type bet struct {
		Amount money.Amount `json:"amount"`
	}
	data, err := json.Marshal(bet{money.MustParse("10.5")})
	if err != nil || string(data) != `{"amount":10.50}` {
		t.Errorf("Marshal = %s, %v", data, err)
	}
	var got bet
	if err := json.Unmarshal([]byte(`{"amount": 10.5}`), &got); err != nil || got.Amount.Minor() != 1050 {
		t.Errorf("Unmarshal = %v, %v", got, err)
	}
	for _, text := range []string{`"10.50"`, `null`, `true`, `[1]`, `{}`, `10.005`, `1e1`} {
		kept := bet{money.FromMinor(7)}
		if err := json.Unmarshal([]byte(`{"amount":`+text+`}`), &kept); err == nil {
			t.Errorf("Unmarshal of %s gave %v", text, kept.Amount)
		} else if kept.Amount != money.FromMinor(7) {
			t.Errorf("Unmarshal of %s failed but changed the value to %v", text, kept.Amount)
		}
	}
}

// FuzzJSON checks that accepted text round-trips.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{"10.50", "10.5", "10", "0", "-0.01", "1e2", `"1"`, "null", largest} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got money.Amount
		if got.UnmarshalJSON([]byte(text)) != nil {
			return
		}
		data, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var again money.Amount
		if err := json.Unmarshal(data, &again); err != nil || again != got {
			t.Fatalf("%q became %s became %v, %v", text, data, again, err)
		}
	})
}

func TestSums(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		a, b := random.Int64()-random.Int64(), random.Int64()-random.Int64()
		isSum(t, func() money.Amount { return money.FromMinor(a).Plus(money.FromMinor(b)) }, new(big.Int).Add(big.NewInt(a), big.NewInt(b)))
		isSum(t, func() money.Amount { return money.FromMinor(a).Minus(money.FromMinor(b)) }, new(big.Int).Sub(big.NewInt(a), big.NewInt(b)))
	}
	if got := money.MustParse("10.00").Plus(money.Amount{}).Minus(money.MustParse("10")); !got.IsZero() {
		t.Errorf("10 - 10 is %s", got)
	}
}

// isSum fails unless work returns want, or panics when want does not fit.
func isSum(t *testing.T, work func() money.Amount, want *big.Int) {
	t.Helper()
	defer func() {
		if panicked := recover() != nil; panicked == want.IsInt64() {
			t.Errorf("%s: panicked %t", want, panicked)
		}
	}()
	if got := work(); want.Cmp(big.NewInt(got.Minor())) != 0 {
		t.Errorf("got %d, want %s", got.Minor(), want)
	}
}
