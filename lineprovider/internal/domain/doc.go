// Package domain decides what may happen to an event of the line. It is plain
// Go on values: it reads no clock, no store and no environment; the instant of a
// decision comes in as now, in whole seconds.
//
//	       Open
//	        │
//	        ▼
//	  ┌── NEW ──┐  Amend: reprice, move, rename, suspend, resume
//	  │    │    │
//	  ▼    ▼    ▼  Decide, Remove
//	WIN ↔ LOSE ↔ CANCELLED
//	       Decide with a reason: a correction
//
// Nothing leads back to NEW. Every decision is a Change, which a store carries out
// only if the event is still the one the decision was made on.
package domain
