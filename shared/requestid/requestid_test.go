package requestid_test

import (
	"strings"
	"testing"

	"stavka.local/shared/requestid"
)

func TestIsValid(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a", "01JHV9Y2Q8S0M5T4W3X2Z1A0B9", "a.b_c-d:e", strings.Repeat("x", 64)} {
		if !requestid.IsValid(id) {
			t.Errorf("%q is refused", id)
		}
	}
	for _, id := range []string{"", strings.Repeat("x", 65), "a b", "a\n", "a\x00", "ü", `a"b`, "a/b", "<a>", "a=b", "\xff"} {
		if requestid.IsValid(id) {
			t.Errorf("%q is accepted", id)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id := requestid.New()
		if !requestid.IsValid(id) || len(id) != 26 || seen[id] {
			t.Fatalf("made %q", id)
		}
		seen[id] = true
	}
}

func TestContext(t *testing.T) {
	t.Parallel()
	if id := requestid.From(t.Context()); id != "" {
		t.Errorf("a context without an id has %q", id)
	}
	if id := requestid.From(requestid.With(requestid.With(t.Context(), "outer"), "inner")); id != "inner" {
		t.Errorf("got %q, want inner", id)
	}
	ctx := requestid.With(requestid.WithServer(t.Context(), "client's", "own"), "replayed")
	if id, own := requestid.From(ctx), requestid.Server(ctx); id != "replayed" || own != "own" {
		t.Errorf("got %q and %q, want replayed and own", id, own)
	}
}
