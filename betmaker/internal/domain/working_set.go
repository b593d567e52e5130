package domain

import (
	"time"

	"stavka.local/shared/money"
)

// WorkingSet is the input for deciding one batch of placements. All of it was read under locks that
// are held until the batch has been committed.
type WorkingSet struct {
	Wallets map[UserID]Wallet
	// TokenVersions are the versions of the users' valid tokens.
	TokenVersions map[UserID]int32

	Events   map[EventID]Event
	Verdicts map[VerdictKey]Verdict
	// Liabilities are the liabilities of the events; nil if they are not needed.
	Liabilities map[EventID]money.Amount
	// BetIDs are reserved for the batch: at least one for each placement.
	BetIDs []BetID
	// Now is the store's clock, read after the last lock. It is the time of acceptance of every bet
	// in the batch.
	Now time.Time
	// LineUnknown is the reason why the line is not known, so that nothing new may be decided; nil
	// if it is known. Earlier verdicts are replayed in either case.
	LineUnknown error
}

// Decide decides the placements of a batch in order and returns one decision for each. Of two
// placements with the same key the first decides and the second replays. Each decision sees the
// effects of the previous ones: Decide updates the wallets, liabilities and verdicts of the set.
func (ws *WorkingSet) Decide(limits Limits, batch []Placement) []Decision {
	decisions := make([]Decision, len(batch))
	for i, p := range batch {
		decisions[i] = ws.decide(limits, p)
	}
	return decisions
}

func (ws *WorkingSet) decide(limits Limits, p Placement) Decision {
	if err := ws.admit(p); err != nil {
		return Decision{Err: err}
	}
	key := VerdictKey{p.UserID, p.IdempotencyKey}
	fingerprint := p.Fingerprint()
	if p.IdempotencyKey != "" {
		if known, ok := ws.Verdicts[key]; ok {
			return known.Replay(fingerprint)
		}
	}
	if ws.LineUnknown != nil {
		return Decision{Err: ws.LineUnknown}
	}
	if !ws.Wallets[p.UserID].Open {
		return Decision{Err: ErrUserInactive}
	}
	event, known := ws.Events[p.EventID]
	verdict := Verdict{Fingerprint: fingerprint, RequestID: p.RequestID}
	verdict.Refusal = ws.refusal(limits, p, event)
	if verdict.Refusal.Code == RefusedEventNotFound && !known && !p.EventLookedUp {
		return Decision{Err: ErrEventUnknown}
	}
	if verdict.Refusal.IsZero() {
		verdict.Bet = ws.accept(p, event)
	}
	if p.IdempotencyKey != "" {
		ws.Verdicts[key] = verdict
	}
	return Decision{Verdict: verdict}
}

// admit returns the reason for not answering a placement; nil if its token is valid or was
// checked before.
func (ws *WorkingSet) admit(p Placement) error {
	if p.TokenVersion == 0 {
		return nil
	}
	version, known := ws.TokenVersions[p.UserID]
	if !known {
		return ErrUnauthenticated
	}
	user := User{ID: p.UserID, Active: ws.Wallets[p.UserID].Open, TokenVersion: version}
	_, err := user.Admit(AccessClaims{UserID: p.UserID, Version: p.TokenVersion})
	return err
}

// refusal returns the refusal of the placement, or zero. The order is part of the contract: first
// the request, then the event, the price, the limits of the user and the house, and last the money.
func (ws *WorkingSet) refusal(limits Limits, p Placement, event Event) Refusal {
	wallet := ws.Wallets[p.UserID]
	switch {
	case !limits.Stake.Allow(p.Stake):
		return Refusal{Code: RefusedStakeOutOfLimits, Min: limits.Stake.Min, Max: limits.Stake.Max}
	case event.IsZero():
		return Refusal{Code: RefusedEventNotFound}
	case event.IsClosed(ws.Now):
		return Refusal{Code: RefusedEventClosed}
	case event.Suspended, event.Quarantined:
		return Refusal{Code: RefusedEventSuspended}
	case !p.takes(event.Coefficient):
		return Refusal{Code: RefusedPriceChanged, CurrentCoefficient: event.Coefficient, EventVersion: event.Version}
	case wallet.IsExcluded(ws.Now):
		return Refusal{Code: RefusedSelfExcluded, ExcludedUntil: wallet.ExcludedUntil.UTC()}
	}
	limit, largest := ws.largestStake(limits, wallet, event)
	switch {
	case limit != "" && largest.Less(p.Stake):
		return Refusal{Code: RefusedLimitExceeded, Limit: limit, LargestStake: placeable(limits, money.Min(largest, wallet.Balance))}
	case wallet.Balance.Less(p.Stake):
		return Refusal{Code: RefusedInsufficientFunds, LargestStake: placeable(limits, wallet.Balance)}
	}
	return Refusal{}
}

// largestStake returns the largest stake that the limits allow on an event, and the name of the
// limit that sets it; "" for the limit of one stake.
func (ws *WorkingSet) largestStake(limits Limits, wallet Wallet, event Event) (LimitName, money.Amount) {
	limit, largest := LimitName(""), limits.Stake.Max
	consider := func(name LimitName, stake money.Amount) {
		if stake.Less(largest) {
			limit, largest = name, stake
		}
	}
	if limits.Payout.IsPositive() {
		consider(LimitPayout, stakeFor(event.Coefficient, limits.Payout))
	}
	if limits.Liability.IsPositive() {
		room := limits.Liability.Minus(ws.Liabilities[event.ID])
		if stake, bounded := stakeWithin(event.Coefficient, room); bounded {
			consider(LimitLiability, stake)
		}
	}
	if daily := wallet.StakeLimit.At(ws.Now).Amount; daily.IsPositive() {
		room := daily.Minus(wallet.StakedOn(DayOf(ws.Now)))
		consider(LimitDaily, money.Max(room, money.Amount{}))
	}
	return limit, largest
}

// placeable returns the largest stake that may be placed, given an upper bound: zero if that is
// less than the smallest stake.
func placeable(limits Limits, stake money.Amount) money.Amount {
	stake = money.Min(stake, limits.Stake.Max)
	if stake.Less(limits.Stake.Min) {
		return money.Amount{}
	}
	return stake
}

// accept returns the bet and takes its stake from the wallet. The bet starts at the event's settle
// revision: results and windows so far do not concern it.
func (ws *WorkingSet) accept(p Placement, event Event) Bet {
	id := ws.BetIDs[0]
	ws.BetIDs = ws.BetIDs[1:]
	bet := Bet{
		ID:           id,
		UserID:       p.UserID,
		EventID:      p.EventID,
		Stake:        p.Stake,
		Coefficient:  event.Coefficient,
		EventVersion: event.Version,
		AcceptedAt:   ws.Now,
		Standing:     Standing{Settlement: Settlement{Status: StatusPending}, Revision: event.SettleRevision},
	}
	wallet := ws.Wallets[p.UserID].After(bet.StakeTransfer())
	today := max(DayOf(ws.Now), wallet.StakedDay)
	wallet.Staked, wallet.StakedDay = wallet.StakedOn(today).Plus(p.Stake), today
	ws.Wallets[p.UserID] = wallet
	if ws.Liabilities != nil {
		ws.Liabilities[p.EventID] = ws.Liabilities[p.EventID].Plus(bet.Liability())
	}
	return bet
}
