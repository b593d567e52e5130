package app

import (
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/line"
)

// feedState is the member "feed" of /readyz.
type feedState struct {
	Alive       bool       `json:"alive"`
	Epoch       *string    `json:"epoch"`
	Cursor      int64      `json:"cursor"`
	LastSeq     int64      `json:"last_seq"`
	HeardAt     *time.Time `json:"heard_at"`
	BehindSince *time.Time `json:"behind_since"`
}

func feedMember(status domain.FeedStatus) feedState {
	state := feedState{
		Alive: status.Alive, Cursor: status.Applied, LastSeq: status.Last,
		HeardAt: instant(status.Heard), BehindSince: instant(status.Behind),
	}
	if epoch := line.Epoch(status.Epoch); !epoch.IsZero() {
		text := epoch.String()
		state.Epoch = &text
	}
	return state
}

// instant returns t as JSON shows it; the zero time is null.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC().Truncate(time.Millisecond))
}
