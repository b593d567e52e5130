package httpapi

import (
	"errors"
	"math"
	"net/url"
	"regexp"
	"testing"

	"stavka.local/shared/httpedge"
)

func TestCursorRoundTrip(t *testing.T) {
	t.Parallel()
	for _, id := range []int64{1, 100, math.MaxInt64} {
		if got, err := parseCursor(formatCursor(id)); got != id || err != nil {
			t.Errorf("got %d, %v; want %d", got, err, id)
		}
	}
	if got := formatCursor(100); got != "MTAw" { // as in the contract's example
		t.Errorf("got %s, want MTAw", got)
	}
	if got, err := parseCursor(""); got != 0 || err != nil {
		t.Errorf("no cursor: got %d, %v", got, err)
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, text := range []string{"", "MTAw", "MQ", "MQ==", "MA", "LTE", "MDE", "KzE", "MTA_", "MTAx\n", formatCursor(math.MaxInt64), "OTIyMzM3MjAzNjg1NDc3NTgwOA"} {
		f.Add(text)
	}
	allowed := regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	f.Fuzz(func(t *testing.T, text string) {
		id, err := parseCursor(text)
		switch {
		case text == "":
		case err != nil && (id != 0 || !errors.Is(err, httpedge.ErrInvalidRequest)):
			t.Errorf("got %d, %v; want an invalid request", id, err)
		case err == nil && (id < 1 || formatCursor(id) != text || !allowed.MatchString(text)):
			t.Errorf("accepted %q as %d, whose cursor is %q", text, id, formatCursor(id))
		}
	})
}

func TestNextLinkKeepsTheFilters(t *testing.T) {
	t.Parallel()
	got := nextLink("/api/bets", url.Values{"status": {"won"}}, formatCursor(100), 50)
	if want := `</api/bets?after=MTAw&limit=50&status=won>; rel="next"`; *got != want {
		t.Errorf("got %s, want %s", *got, want)
	}
}
