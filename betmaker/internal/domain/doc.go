// Package domain holds the rules of bet-maker: when a bet is accepted, at which
// price, what becomes of it when the event is decided, and who may do what. It is
// plain Go on values: it reads no clock, store or network, so that every store and
// every shape of Stavka decides alike.
//
// The life of a bet:
//
//	             result WIN          ┌─────┐
//	           ┌───────────────────▶ │ won │ ◀─┐
//	┌─────────┐│ result LOSE         ├─────┤   │ a correction moves a bet between
//	│ pending ├┼───────────────────▶ │ lost│ ◀─┤ these three; each time the event's
//	└─────────┘│ cancelled, past     ├─────┤   │ settle revision grows by one
//	           └ post, line reset ─▶ │ void│ ◀─┘
//	                                 └─────┘
//
// What a bet should be is a function of the bet and of its event as it is now
// (Event.Outcome). Settling moves a bet to there, from wherever it is.
package domain
