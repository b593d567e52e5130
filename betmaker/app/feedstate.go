package app

import (
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/instant"
	"stavka.local/shared/line"
)

// feedState is the member "feed" of /readyz.
type feedState struct {
	Alive       bool          `json:"alive"`
	Epoch       *string       `json:"epoch"`
	Cursor      int64         `json:"cursor"`
	LastSeq     int64         `json:"last_seq"`
	HeardAt     *instant.Time `json:"heard_at"`
	BehindSince *instant.Time `json:"behind_since"`
	StoreAhead  int64         `json:"store_clock_ahead_ms"` // of this process's clock
	LineAhead   int64         `json:"line_clock_ahead_ms"`  // of the store's clock
}

func feedMember(status domain.FeedStatus) feedState {
	state := feedState{
		Alive: status.Alive, Cursor: status.Applied, LastSeq: status.Last,
		HeardAt: instant.Optional(status.Heard), BehindSince: instant.Optional(status.Behind),
		StoreAhead: status.Skew.Store.Milliseconds(), LineAhead: status.Skew.Line.Milliseconds(),
	}
	if epoch := line.Epoch(status.Epoch); !epoch.IsZero() {
		text := epoch.String()
		state.Epoch = &text
	}
	return state
}
