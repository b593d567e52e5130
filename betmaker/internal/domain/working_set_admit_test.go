package domain_test

import (
	"errors"
	"testing"

	"stavka.local/betmaker/internal/domain"
)

// A revoked token gets neither a bet nor an earlier verdict.
func TestDecideRefusesInvalidTokens(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		user    domain.UserID
		version int32
		want    error
	}{
		"the present one":           {user: 1, version: 2},
		"one before a new password": {user: 1, version: 1, want: domain.ErrUnauthenticated},
		"of a missing user":         {user: 9, version: 1, want: domain.ErrUnauthenticated},
		"of an inactive user":       {user: 3, version: 1, want: domain.ErrUserInactive},
		"checked before, inactive":  {user: 3, want: domain.ErrUserInactive},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := workingSet(openEvent())
			set.TokenVersions = map[domain.UserID]int32{1: 2, 2: 1, 3: 1}
			wish := placement()
			wish.UserID, wish.TokenVersion = tt.user, tt.version
			if got := set.Decide(limits, []domain.Placement{wish})[0]; !errors.Is(got.Err, tt.want) || got.Accepted() != (tt.want == nil) {
				t.Errorf("got %+v, want the error %v", got, tt.want)
			}
		})
	}
}

func TestDecideReplaysNothingForInvalidTokens(t *testing.T) {
	t.Parallel()
	wish := placement()
	wish.IdempotencyKey, wish.TokenVersion = "key", 1
	set := workingSet(openEvent())
	set.TokenVersions = map[domain.UserID]int32{1: 1}
	if first := set.Decide(limits, []domain.Placement{wish})[0]; !first.Accepted() {
		t.Fatalf("the bet was not accepted: %+v", first)
	}
	set.TokenVersions[1] = 2
	if got := set.Decide(limits, []domain.Placement{wish})[0]; !errors.Is(got.Err, domain.ErrUnauthenticated) || got.Accepted() {
		t.Errorf("got %+v, want no answer but %v", got, domain.ErrUnauthenticated)
	}
}
