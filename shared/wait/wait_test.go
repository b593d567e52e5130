package wait_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"stavka.local/shared/wait"
)

func TestFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := wait.For(t.Context(), time.Minute); err != nil || time.Since(began) != time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if err := wait.For(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func TestUntil(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signal := make(chan struct{}, 1)
		began := time.Now()
		if wait.Until(t.Context(), signal, time.Minute) || time.Since(began) != time.Minute {
			t.Errorf("without a signal it ended after %v", time.Since(began))
		}
		signal <- struct{}{}
		began = time.Now()
		if !wait.Until(t.Context(), signal, time.Minute) || time.Since(began) != 0 {
			t.Errorf("with a signal it ended after %v", time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if wait.Until(ctx, signal, time.Minute) {
			t.Error("a signal came after the end of the context")
		}
	})
}

func TestEvery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began, calls := time.Now(), 0
		err := wait.Every(t.Context(), time.Second, func() error {
			if calls++; calls == 4 {
				return io.EOF
			}
			return nil
		})
		if !errors.Is(err, io.EOF) || time.Since(began) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		calls = 0
		if err := wait.Every(ctx, time.Second, func() error { calls++; return nil }); err != nil || calls != 2 {
			t.Errorf("%d calls: %v", calls, err)
		}
	})
}
