// Package usecase decides what happens: when a message arrives, when a bet is wished for,
// when a result is there, when somebody signs in. It works on the ports and leaves every
// rule to package domain.
//
// The line comes in by two ways that end in one (ApplyEventChange), and what is decided
// about an event goes out by one:
//
//	messages ───────────────┐
//	                        ├─▶ ApplyEventChange ─▶ projection ─▶ Settler ─▶ bets
//	change log ─▶ Poller ───┘                           │
//	heartbeats ─▶ Poller ─▶ Feed ─▶ may bets be taken?  └─▶ Placer, Catalogue
//
// Messages are fast and may get lost; the change log is slower and complete. Neither
// needs the other to be in order, or to come once.
package usecase
