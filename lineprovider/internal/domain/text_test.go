package domain

import (
	"errors"
	"testing"
	"time"

	"stavka.local/shared/fault"
	"stavka.local/shared/odds"
)

func TestTextsOfPeople(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	rules := Rules{MinimumDuration: time.Hour, MaxCoefficient: odds.MustParse("100.00")}
	open := Event{ID: 1, State: StateNew, Coefficient: odds.MustParse("2.00"), Deadline: now.Add(time.Hour), CreatedAt: now}
	for text, good := range map[string]bool{
		"": true, "Reds - Blues": true, "Спартак": true, " ": false, "a\nb": false, "a\u202eb": false, "a\u200bb": false, "a\u0085b": false, "a\xff": false,
	} {
		_, opened := Open(now, Offer{Coefficient: odds.MustParse("2.00"), Name: text}, rules)
		_, amended := open.Amend(now, Amendment{Name: &text}, rules)
		_, decided := open.Decide(now, Result{State: StateFinishedWin, Reason: text})
		for what, tt := range map[string]struct {
			err   error
			field string
		}{"create": {opened, "name"}, "change": {amended, "name"}, "finish": {decided, "reason"}} {
			if (tt.err == nil) != good || tt.err != nil && (!errors.Is(tt.err, ErrInvalidText) || fault.Find(tt.err).Params["field"] != tt.field) {
				t.Errorf("%s with %+q: got %v", what, text, tt.err)
			}
		}
	}
}
