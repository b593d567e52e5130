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

// took is how long a round takes.
const took = time.Second

// item is something to be doubled.
type item struct{ number, doubled int }

// doubler keeps what came together.
type doubler struct {
	mu       sync.Mutex
	rounds   [][]int
	underway int
	most     int // rounds at the same time
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
	time.Sleep(took)
	for _, i := range items {
		i.doubled = 2 * i.number
	}
	d.mu.Lock()
	d.underway--
	d.mu.Unlock()
}

// ask asks for numbers in this order, each beside the test.
func ask(t *testing.T, asking *sync.WaitGroup, group *together.Group[*item], numbers ...int) {
	t.Helper()
	for _, number := range numbers {
		asking.Go(func() {
			i := &item{number: number}
			if err := group.Do(t.Context(), i); err != nil || i.doubled != 2*number {
				t.Errorf("%d: got %d, %v", number, i.doubled, err)
			}
		})
		synctest.Wait()
	}
}

func TestOneGoesAtOnceAndTheNextGather(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			d      doubler
			asking sync.WaitGroup
			group  = together.New(1, 3, d.do)
		)
		began := time.Now()
		ask(t, &asking, group, 1)
		if len(d.rounds) != 1 {
			t.Errorf("a lone item waits: %v", d.rounds)
		}
		ask(t, &asking, group, 2, 3, 4, 5, 6)
		asking.Wait()
		if want := [][]int{{1}, {2, 3, 4}, {5, 6}}; !slices.EqualFunc(d.rounds, want, slices.Equal) {
			t.Errorf("the rounds were %v, want %v", d.rounds, want)
		}
		if d.most != 1 || time.Since(began) != 3*took {
			t.Errorf("%d rounds were under way at once; all took %v", d.most, time.Since(began))
		}

		// It begins again after a rest.
		ask(t, &asking, group, 7)
		asking.Wait()
		if len(d.rounds) != 4 {
			t.Errorf("after a rest the rounds were %v", d.rounds)
		}
	})
}

func TestSeveralRoundsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			d      doubler
			asking sync.WaitGroup
			group  = together.New(2, 10, d.do)
		)
		ask(t, &asking, group, 1, 2, 3, 4)
		asking.Wait()
		if want := [][]int{{1}, {2}, {3, 4}}; !slices.EqualFunc(d.rounds, want, slices.Equal) || d.most != 2 {
			t.Errorf("the rounds were %v, %d at once; want %v, 2 at once", d.rounds, d.most, want)
		}
	})
}

func TestWhoLeavesTakesNobodyAlong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			d      doubler
			asking sync.WaitGroup
			group  = together.New(1, 10, d.do)
		)
		ctx, leave := context.WithCancel(t.Context())
		asking.Go(func() {
			if err := group.Do(ctx, &item{number: 1}); !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
		})
		synctest.Wait()
		ask(t, &asking, group, 2)
		leave()
		asking.Wait()
		if want := [][]int{{1}, {2}}; !slices.EqualFunc(d.rounds, want, slices.Equal) {
			t.Errorf("the rounds were %v, want %v", d.rounds, want)
		}
	})
}

func TestWhoHasLeftIsNotServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			d      doubler
			asking sync.WaitGroup
			group  = together.New(1, 10, d.do)
		)
		ask(t, &asking, group, 1)
		ctx, leave := context.WithCancel(t.Context())
		asking.Go(func() {
			if err := group.Do(ctx, &item{number: 2}); !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
		})
		synctest.Wait()
		leave()
		asking.Wait()
		ask(t, &asking, group, 3)
		asking.Wait()
		if want := [][]int{{1}, {3}}; !slices.EqualFunc(d.rounds, want, slices.Equal) {
			t.Errorf("the rounds were %v, want %v", d.rounds, want)
		}
	})
}
