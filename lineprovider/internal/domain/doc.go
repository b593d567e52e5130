// Package domain decides which changes of an event are allowed. It works on values only: it
// reads no clock, no store and no environment. The caller passes the instant of a decision as
// now, in whole seconds.
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
// No decision leads back to NEW. Every decision is a Change. A store applies it only if the event
// still has the version that the decision was made on.
package domain
