// Package domain holds the rules of bet-maker: when a bet is accepted and at which price, how it
// is settled, and the permissions of users. It consists of plain Go values and reads no clock, store or
// network, so that every store and every shape of Stavka decides alike.
//
// The life of a bet:
//
//	             result WIN          ┌─────┐
//	           ┌───────────────────▶ │ won │ ◀─┐
//	┌─────────┐│ result LOSE         ├─────┤   │ a correction moves a bet between
//	│ pending ├┼───────────────────▶ │ lost│ ◀─┤ these three; each time the event's
//	└────┬────┘│ cancelled, past     ├─────┤   │ settle revision grows by one
//	     │     │ post, line reset,   │     │   │
//	     │     └ void window ──────▶ │ void│ ◀─┘
//	     │                           ├─────┤
//	     └ cancelled by its user ──▶ │ void│ forever
//	                                 └─────┘
//
// A void window can also be opened for settled bets and be undone. An undone window lets the event
// decide again, which makes a bet pending while the event is open.
//
// The settlement of a bet is a pure function of the bet and of the present state of its event
// (Event.Settlement). Settling moves a bet to it from any earlier settlement.
package domain
