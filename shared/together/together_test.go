package together_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/shared/together"
)

// roundTime is how long a round takes.
const roundTime = time.Second

// item is a number to double.
type item struct{ number, doubled int }

// doubler doubles items and records the rounds.
type doubler struct {
	mu       sync.Mutex
	rounds   [][]int
	underway int
	most     int // rounds under way at once
}

func (d *doubler) do(_ context.Context, items []*item) {
	d.mu.Lock()
	d.underway++
	d.most = max(d.most, d.underway)
	var numbers []int
	for _, i := range items {
		numbers = append(numbers, i.number)
	}
	d.rounds = append(d.rounds, numbers)
	d.mu.Unlock()
	time.Sleep(roundTime)
	for _, i := range items {
		i.doubled = 2 * i.number
	}
	d.mu.Lock()
	d.underway--
	d.mu.Unlock()
}

// double sends numbers to group in this order, each in a goroutine of callers.
func double(t *testing.T, callers *sync.WaitGroup, group *together.Group[*item], numbers ...int) {
	t.Helper()
	for _, number := range numbers {
		callers.Go(func() {
			i := &item{number: number}
			if err := group.Do(t.Context(), i); err != nil || i.doubled != 2*number {
				t.Errorf("%d: got %d, %v", number, i.doubled, err)
			}
		})
		synctest.Wait()
	}
}

func TestLoneItemGoesAtOnceAndLaterOnesAreBatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			d       doubler
			callers sync.WaitGroup
			group   = together.New(1, 3, d.do)
		)
		began := time.Now()
		double(t, &callers, group, 1)
		if len(d.rounds) != 1 {
			t.Errorf("a lone item waits: %v", d.rounds)
		}
		double(t, &callers, group, 2, 3, 4, 5, 6)
		callers.Wait()
		if want := [][]int{{1}, {2, 3, 4}, {5, 6}}; !slices.EqualFunc(d.rounds, want, slices.Equal) {
			t.Errorf("the rounds were %v, want %v", d.rounds, want)
		}
		if d.most != 1 || time.Since(began) != 3*roundTime {
			t.Errorf("%d rounds were under way at once; all took %v", d.most, time.Since(began))
		}

		// A new round begins after an idle time.
		double(t, &callers, group, 7)
		callers.Wait()
		if len(d.rounds) != 4 {
			t.Errorf("after an idle time the rounds were %v", d.rounds)
		}
	})
}

func TestSeveralRoundsRunAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			d       doubler
			callers sync.WaitGroup
			group   = together.New(2, 10, d.do)
		)
		double(t, &callers, group, 1, 2, 3, 4)
		callers.Wait()
		if want := [][]int{{1}, {2}, {3, 4}}; !slices.EqualFunc(d.rounds, want, slices.Equal) || d.most != 2 {
			t.Errorf("the rounds were %v, %d at once; want %v, 2 at once", d.rounds, d.most, want)
		}
	})
}

func TestCancelledCallerDoesNotEndTheRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			d       doubler
			callers sync.WaitGroup
			group   = together.New(1, 10, d.do)
		)
		ctx, cancel := context.WithCancel(t.Context())
		callers.Go(func() {
			if err := group.Do(ctx, &item{number: 1}); !errors.Is(err, context.Canceled) {
				t.Errorf("the cancelled caller got %v", err)
			}
		})
		synctest.Wait()
		double(t, &callers, group, 2)
		cancel()
		callers.Wait()
		if want := [][]int{{1}, {2}}; !slices.EqualFunc(d.rounds, want, slices.Equal) {
			t.Errorf("the rounds were %v, want %v", d.rounds, want)
		}
	})
}

func TestCancelledItemIsNotProcessed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			d       doubler
			callers sync.WaitGroup
			group   = together.New(1, 10, d.do)
		)
		double(t, &callers, group, 1)
		ctx, cancel := context.WithCancel(t.Context())
		callers.Go(func() {
			if err := group.Do(ctx, &item{number: 2}); !errors.Is(err, context.Canceled) {
				t.Errorf("the cancelled caller got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		callers.Wait()
		double(t, &callers, group, 3)
		callers.Wait()
		if want := [][]int{{1}, {3}}; !slices.EqualFunc(d.rounds, want, slices.Equal) {
			t.Errorf("the rounds were %v, want %v", d.rounds, want)
		}
	})
}
