// Package postgres implements every store of package ports in PostgreSQL 15 or later.
//
// # Statements
//
// sqlc generates a method of pgdb.Queries for each statement. A transaction queues calls of these
// methods and sends them together in one pgx.Batch, see exec, query and send. The compiler checks
// parameters and results; no SQL text is written by hand but begin, commit and settings.
//
// # Locks
//
// Concurrent transactions are ordered by locks. All transactions take them in the order of this
// table, and locks of one kind in ascending order of id. Bets are the exception: a transaction that
// locks several of them never waits for one.
//
//	bet rows        settling                        for update skip locked
//	                cancelling                      for update
//	wallet rows     placing, settling, cancelling,  for no key update
//	                paying, restricting, users
//	admins          users                           advisory, two keys
//	event locks     placing, cancelling: shared;    advisory, the event's id
//	                applying changes: exclusive
//	event rows      the holder of the event's lock
//	liability locks changing one: shared;           advisory, -1 - the event's id
//	                computing one: exclusive
//	liability rows  placing, settling, cancelling   for no key update
//
// In the space of advisory locks with one key, the positive keys are event ids. The negative keys
// are the lock of the migrations, -1, and those of liabilities. All other locks have two keys.
// PostgreSQL queues waiters for advisory locks: a transaction that closes an event gets the lock
// after the batches before it, even if more batches keep coming.
//
// A statement that waits for a lock keeps the snapshot it began with. Therefore locking
// and reading what the lock protects are separate statements, and the clock is read after
// the last lock.
//
// # Transactions
//
// Transactions are read committed. Begin and commit are sent with the other statements, so that a
// transaction that only writes takes one round trip, and a batch of placements two. A cancelled
// request does not cancel its transaction, which would close the connection; the server's timeouts
// bound it.
//
// After a serialization failure or a deadlock the transaction starts again. When the connection is
// lost between sending the commit and its answer, the error is ports.ErrOutcomeUnknown.
//
// # Transfers
//
// Connections take on the role stavka_betmaker if they can. Neither the role nor the owner of the
// tables may change or delete transfers, seals and audit records, and triggers refuse it to everybody.
// Migrations run as the user that connects.
//
// The ids of transfers come from a sequence, so they are not in the order of the commits. Sealing
// takes none of the locks above: it waits until all transactions have ended that may still write lower
// ids, see sealingMark. Transactions in other databases of the server count, too, because the server
// numbers all transactions together.
package postgres
