package pace_test

import (
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/shared/pace"
)

func TestTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pace.New[string](3, 100*time.Millisecond)
		for i := range 3 {
			if wait := p.Take("anna"); wait != 0 {
				t.Errorf("take %d has to wait %s", i, wait)
			}
		}
		for range 2 { // a refused attempt does not count
			if wait := p.Take("anna"); wait != 100*time.Millisecond {
				t.Errorf("beyond the burst the wait is %s", wait)
			}
		}
		if wait := p.Take("bella"); wait != 0 {
			t.Errorf("another user has to wait %s", wait)
		}
		time.Sleep(100 * time.Millisecond)
		for range 2 { // asking does not count
			if wait := p.Wait("anna"); wait != 0 {
				t.Errorf("after an interval the wait is %s", wait)
			}
		}
		if first, second := p.Take("anna"), p.Take("anna"); first != 0 || second != 100*time.Millisecond {
			t.Errorf("after an interval the waits are %s and %s", first, second)
		}
		if wait := p.Wait("anna"); wait != 100*time.Millisecond {
			t.Errorf("asked: %s", wait)
		}
	})
}

func TestNoBound(t *testing.T) {
	t.Parallel()
	p := pace.New[int](0, time.Hour)
	for range 1000 {
		if p.Take(1) != 0 || p.Wait(1) != 0 {
			t.Fatal("a pace without a bound makes wait")
		}
	}
}

// Users who have not been heard of for a while need no memory.
func TestFullBucketsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pace.New[int](2, time.Second)
		for user := range 100_000 {
			p.Take(user)
			if user%1000 == 0 {
				time.Sleep(time.Second)
			}
		}
		if n := p.Len(); n > 5_000 {
			t.Errorf("%d buckets are kept", n)
		}
		p.Take(100_000)
		p.Take(100_000)
		if p.Take(100_000) == 0 {
			t.Error("a bucket that is in use was forgotten")
		}
	})
}
