// Package sqlite keeps what bet-maker knows in one SQLite file: it implements every store
// of package ports, for a process that has the file to itself.
//
// # Locks
//
// What package postgres has locks for is ordered by the writing transaction here. There is
// one at a time, given out in the order of asking: whoever places bets, applies a change,
// settles, moves money or changes a user is alone with all users, events, bets and wallets until
// they have committed. Nothing is decided on what somebody else is changing, there is no deadlock,
// and no transaction is tried again. Of the batches of bets only one asks at a time, so that
// whoever closes an event waits for one at most, however many there are.
//
// Readers take no part in this. They see the last commit, and neither wait for writers nor
// keep them waiting. So what may be looked for beforehand is read before the turn to write
// is asked for. The whole ledger is read in one such transaction.
//
// # Money
//
// Transfers, seals and the audit log are only added to; triggers refuse all else. The ids of
// transfers are in the order of their commits, so that all that can be read can be sealed.
//
// # Transactions
//
// A transaction waits for the disk once, when it commits, and a statement is not sent
// anywhere: batches are written row by row.
//
// A caller that goes away stops waiting for its turn. What has begun goes to its end.
//
// # Time
//
// The clock is this process's. It is read in the transaction, once its turn has come, and
// only goes forward, while the wall clock may be set back.
//
// # Plans
//
// SQLite plans a query by the schema alone as long as nobody tells it to ANALYZE, which
// nobody does: a plan that was good for an empty file is the plan for ever.
package sqlite
