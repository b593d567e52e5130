// Package postgres keeps what bet-maker knows in PostgreSQL 15 or later: it implements
// every store of package ports.
//
// # Locks
//
// What happens at the same time is ordered by locks, taken in this order everywhere,
// each kind in ascending order of id, but bets, for which those who lock several never wait:
//
//	bet rows        settling                        for update skip locked
//	                cancelling                      for update
//	wallet rows     placing, settling, cancelling,  for no key update
//	                paying, restricting, users
//	admins          users                           advisory, two keys
//	event locks     placing, cancelling: shared;    advisory, the event's id
//	                applying changes: exclusive
//	event rows      whoever holds the lock above
//	liability locks changing one: shared;           advisory, -1 - the event's id
//	                working one out: exclusive
//	liability rows  placing, settling, cancelling   for no key update
//
// The one-key space of advisory locks belongs to event ids, which are positive; the lock
// of the migrations, -1, and those of liabilities are negative keys there, everything else
// has two keys. PostgreSQL queues for advisory locks, so that whoever closes an event gets
// in after the batches before it, however many more are coming.
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
//
// # Transfers
//
// Connections take on the role stavka_betmaker where they can. Neither it nor the owner of
// the tables has the right to change or delete transfers, seals and audit records, and
// triggers refuse it to everybody. Migrations run as the user that connects.
//
// The ids of transfers come from a sequence, so they are not in the order of the commits.
// Whoever seals takes none of the locks above: it waits until the transactions have ended
// that may still be writing lower ids, see sealingMark. A transaction of another database of
// the same server counts among them, for their numbers are common.
package postgres
