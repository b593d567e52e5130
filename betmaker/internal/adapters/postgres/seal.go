package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
)

// Seal implements ports.Ledger. ctx bounds only the wait for a connection.
func (l *Ledger) Seal(
	ctx context.Context, limit int, seal func(newest domain.Seal, transfers []domain.Transfer, now time.Time) domain.Seal,
) (newest domain.Seal, more bool, err error) {
	err = l.pool.transact(ctx, func(ctx context.Context, tx *transaction) (err error) {
		newest, more, err = l.seal(ctx, tx, limit, seal)
		return err
	})
	if err != nil {
		return domain.Seal{}, false, fmt.Errorf("seal transfers: %w", err)
	}
	return newest, more, nil
}

func (l *Ledger) seal(
	ctx context.Context, tx *transaction, limit int,
	seal func(newest domain.Seal, transfers []domain.Transfer, now time.Time) domain.Seal,
) (domain.Seal, bool, error) {
	newest, final, err := l.lockSealing(ctx, tx)
	if err != nil || final <= newest.Last {
		return newest, false, err
	}
	var (
		rows []pgdb.Transfer
		now  time.Time
	)
	queryMany(tx, (*pgdb.Queries).TransfersToSeal, pgdb.TransfersToSealParams{
		After: int64(newest.Last), UpTo: int64(final), AtMost: limit32(limit),
	}, &rows)
	queryPlain(tx, (*pgdb.Queries).Clock, &now)
	if err := tx.exchange(ctx); err != nil || len(rows) == 0 {
		return newest, false, err
	}
	next := seal(newest, transfersFromRows(rows), now)
	exec(tx, (*pgdb.Queries).InsertSeal, pgdb.InsertSealParams{
		ID: next.ID, LastTransfer: int64(next.Last), Count: next.Count, Hash: next.Hash[:], At: next.At,
	})
	if err := tx.commit(ctx); err != nil {
		return newest, false, err
	}
	return next, len(rows) == limit, nil
}

// lockSealing returns the newest seal, and the id up to which transfers may be sealed: 0 if
// another replica is sealing. The order of its statements matters: first the highest id, then
// the transaction's own number, then the oldest running transaction.
func (l *Ledger) lockSealing(ctx context.Context, tx *transaction) (newest domain.Seal, final domain.TransferID, err error) {
	var (
		locked  bool
		seals   []pgdb.Seal
		highest int64
		self    pgdb.OwnTransactionRow
		oldest  int64
	)
	queryPlain(tx, (*pgdb.Queries).TryLockSealing, &locked)
	queryPlain(tx, (*pgdb.Queries).NewestSeal, &seals)
	queryPlain(tx, (*pgdb.Queries).HighestTransferID, &highest)
	queryPlain(tx, (*pgdb.Queries).OwnTransaction, &self)
	queryPlain(tx, (*pgdb.Queries).OldestTransaction, &oldest)
	if err := tx.exchange(ctx); err != nil {
		return domain.Seal{}, 0, err
	}
	if len(seals) > 0 {
		if newest, err = sealFromRow(seals[0]); err != nil {
			return domain.Seal{}, 0, err
		}
	}
	if !locked {
		return newest, 0, nil
	}
	mark := sealingMark{id: domain.TransferID(highest), transaction: self.Own}
	return newest, l.marks.observe(self.ServerStartedAt, mark, oldest), nil
}

// sealingMark says that transfers with ids up to id are written by transactions whose
// numbers are lower than transaction.
//
// A transaction draws ids for transfers only after it got its number, because it has locked a
// wallet or written a user before. When all transactions with lower numbers have ended, each
// transfer up to id has been committed or never will be.
type sealingMark struct {
	id          domain.TransferID
	transaction int64
}

// sealingMarks remembers marks from one sealing to the next. While bets are placed, some
// transaction is always running, but not always the same one, so that an earlier mark is reached
// later. Losing the marks only delays the next sealing.
type sealingMarks struct {
	mu      sync.Mutex
	server  time.Time         // when the server started that the marks belong to
	final   domain.TransferID // every transfer up to it has been committed or never will be
	waiting sealingMark       // a mark that has not been reached; zero for none
}

// observe takes a new mark and the number of the oldest transaction that was running then or
// later. It returns the id up to which transfers may be sealed.
func (m *sealingMarks) observe(server time.Time, mark sealingMark, oldest int64) domain.TransferID {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !server.Equal(m.server) {
		m.server, m.final, m.waiting = server, 0, sealingMark{}
	}
	switch {
	case mark.transaction <= oldest:
		m.final, m.waiting = mark.id, sealingMark{}
	case m.waiting == sealingMark{}:
		m.waiting = mark
	case m.waiting.transaction <= oldest:
		m.final, m.waiting = m.waiting.id, mark
	}
	return m.final
}
