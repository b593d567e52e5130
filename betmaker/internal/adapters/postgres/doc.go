// Package postgres keeps what bet-maker knows in PostgreSQL 15 or later: it implements
// every store of package ports.
//
// # Locks
//
// What happens at the same time is ordered by locks, taken in this order everywhere,
// each kind in ascending order of id:
//
//	bet rows        settling                        for update skip locked
//	wallet rows     placing, settling, users        for no key update
//	admins          users                           advisory, two keys
//	event locks     placing: shared;                advisory, the event's id
//	                applying changes: exclusive
//	event rows      whoever holds the lock above
//
// The one-key space of advisory locks belongs to event ids, which are positive; the lock
// of the migrations is a negative key there, everything else has two keys. PostgreSQL
// queues for advisory locks, so that whoever closes an event gets in after the batches
// before it, however many more are coming.
//
// A statement that waits for a lock keeps the snapshot it began with. Therefore locking
// and reading what the lock protects are separate statements, and the clock is read after
// the last lock.
//
// # Transactions
//
// Transactions are read committed. Their statements are queued and sent together, with
// begin and commit among them, so that one that only writes takes one round trip and a
// batch of placements takes two. A request that goes away does not take its transaction
// with it, which would close the connection; the server's own timeouts bound it.
//
// A serialization failure or a deadlock is tried again, the transaction from its start.
// When the connection is lost between sending the commit and its answer, the outcome is
// not known, and ports.ErrOutcomeUnknown says so.
package postgres
