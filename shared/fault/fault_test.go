package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"stavka.local/shared/fault"
)

var errClosed = fault.New(fault.Conflict, "event_closed", "The event takes no more bets.")

func TestDerivingKeepsTheSentinel(t *testing.T) {
	t.Parallel()
	derived := errClosed.Detailf("Event %d is closed.", 42).With("event_version", 3).After(time.Second).Because(io.EOF)

	if !errors.Is(derived, errClosed) || !errors.Is(fmt.Errorf("place bet: %w", derived), errClosed) {
		t.Error("a derived fault is not its sentinel")
	}
	if !errors.Is(derived, io.EOF) {
		t.Error("the cause is lost")
	}
	if derived.Detail != "Event 42 is closed." || derived.Params["event_version"] != 3 || derived.RetryAfter != time.Second {
		t.Errorf("derived = %+v", derived)
	}
	if errClosed.Detail != "The event takes no more bets." || errClosed.Params != nil ||
		errClosed.RetryAfter != 0 || errClosed.Unwrap() != nil {
		t.Errorf("deriving changed the sentinel to %+v", errClosed)
	}
}

func TestWithDoesNotShareParams(t *testing.T) {
	t.Parallel()
	first := errClosed.With("a", 1)
	second := first.With("b", 2)
	if len(first.Params) != 1 || len(second.Params) != 2 {
		t.Errorf("params are %v and %v, want one and two", first.Params, second.Params)
	}
}

func TestIsComparesCodes(t *testing.T) {
	t.Parallel()
	same := fault.New(fault.NotFound, "event_closed", "Another sentence.")
	other := fault.New(fault.Conflict, "event_suspended", "The event takes no more bets.")
	if !errors.Is(same, errClosed) || errors.Is(other, errClosed) || errClosed.Is(io.EOF) {
		t.Error("errors.Is does not compare codes")
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want *fault.Error
	}{
		{nil, nil},
		{io.EOF, nil},
		{errClosed, errClosed},
		{fmt.Errorf("settle: %w", errClosed), errClosed},
		{errors.Join(io.EOF, errClosed), errClosed},
	} {
		if got := fault.Find(test.err); got != test.want {
			t.Errorf("Find(%v) = %v, want %v", test.err, got, test.want)
		}
	}
}

func TestErrorIsForLogs(t *testing.T) {
	t.Parallel()
	if got, want := errClosed.Error(), "event_closed: The event takes no more bets."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := errClosed.Because(io.EOF).Error(), "event_closed: The event takes no more bets.: EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestZeroKindIsInternal(t *testing.T) {
	t.Parallel()
	if kind := (&fault.Error{}).Kind; kind != fault.Internal {
		t.Errorf("the zero kind is %d: an unnamed failure could be shown", kind)
	}
}
