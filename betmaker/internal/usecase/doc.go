// Package usecase carries out what bet-maker does: it reacts to messages, requests and results.
// It works on the ports and leaves every rule to package domain.
//
// A use case that loops is an agent with a method Run (Settler, Poller, Placer). One that does one
// thing is a verb (ApplyEventChange, CancelBet). One that manages a kind of thing has its plural
// (Users, Wallets, Voids).
//
// Changes of the line come in by two paths that end in ApplyEventChange. Decisions about an event
// go out by one:
//
//	messages ───────────────┐
//	                        ├─▶ ApplyEventChange ─▶ projection ─▶ Settler ─▶ bets
//	change log ─▶ Poller ───┘                           │
//	heartbeats ─▶ Poller ─▶ Feed ─▶ may bets be taken?  └─▶ Placer, Catalogue
//
// Messages are fast and may get lost; the change log is slower and complete. Neither has to be in
// order or free of duplicates.
package usecase
