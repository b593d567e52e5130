// Package sqlite stores bet-maker's data in one SQLite file. It implements every store of package ports
// for a process that owns the file.
//
// # Locks
//
// There are no locks as in package postgres: there is one writing transaction at a time, in the order of
// requests. Placing bets, applying a change, settling, moving money and changing a user each have
// exclusive access to all users, events, bets and wallets until they commit. So no decision rests on data
// that another transaction is changing, there are no deadlocks, and no transaction is retried. One batch
// of bets at a time waits for the writing transaction, so that closing an event waits for at most one.
//
// Reading transactions see the last commit. They do not wait for writers, and writers do not wait for
// them. Searches that need no exclusive access run in a reading transaction before the writing one. The
// whole ledger is read in one reading transaction.
//
// # Money
//
// Transfers, seals and the audit log are append-only; triggers refuse other changes. The ids of transfers
// are in the order of their commits, so every transfer that can be read can be sealed.
//
// # Transactions
//
// A transaction waits for the disk once, when it commits. Statements need no round trip, so batches are
// written row by row.
//
// A context that ends stops the wait for a transaction. A transaction that has begun runs to its end.
//
// # Time
//
// The clock is the process's. It is read within the transaction, and only goes forward, while the wall
// clock may be set back.
//
// # Plans
//
// Without ANALYZE, which is never run, SQLite plans a query by the schema alone. So a plan does not depend
// on the size of the tables.
package sqlite
