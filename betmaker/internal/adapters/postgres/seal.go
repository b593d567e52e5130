package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
)

// Seal implements ports.Ledger. Once a connection has been got, it goes to its end
// whatever becomes of ctx.
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
		transfers []domain.Transfer
		now       time.Time
	)
	read := func(rows pgx.Rows) (err error) {
		transfers, err = scanTransfers(rows, limit)
		return err
	}
	tx.query(scanned(read), pgdb.TransfersToSeal, int64(newest.Last), int64(final), limit32(limit))
	tx.query(scalar(&now), pgdb.Clock)
	if err := tx.exchange(ctx); err != nil || len(transfers) == 0 {
		return newest, false, err
	}
	next := seal(newest, transfers, now)
	tx.exec(pgdb.InsertSeal, next.ID, int64(next.Last), next.Count, next.Hash[:], next.At)
	if err := tx.commit(ctx); err != nil {
		return newest, false, err
	}
	return next, len(transfers) == limit, nil
}

// lockSealing returns the newest seal, and up to which id transfers may be sealed; up to
// none when another replica is sealing. The highest id is read before the transaction gets
// its number, and what is still running after that; nothing here may be put in another order.
func (l *Ledger) lockSealing(ctx context.Context, tx *transaction) (newest domain.Seal, final domain.TransferID, err error) {
	var (
		locked  bool
		seals   []pgdb.Seal
		highest int64
		self    pgdb.OwnTransactionRow
		oldest  int64
	)
	tx.query(scalar(&locked), pgdb.TryLockSealing)
	tx.query(all(&seals), pgdb.NewestSeal)
	tx.query(scalar(&highest), pgdb.HighestTransferID)
	tx.query(one(&self), pgdb.OwnTransaction)
	tx.query(scalar(&oldest), pgdb.OldestTransaction)
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
// That is so because ids are drawn from a sequence by transactions that have their number
// by then: each has locked a wallet, or written a user, before. When all transactions with
// lower numbers have ended, every transfer up to id is there or will never be.
type sealingMark struct {
	id          domain.TransferID
	transaction int64
}

// sealingMarks remembers marks from one sealing to the next. While bets are placed, there is
// always a transaction running; but it is not always the same one, so that the mark of a
// moment ago is reached. To lose them costs nothing but the next sealing.
type sealingMarks struct {
	mu      sync.Mutex
	server  time.Time         // when the server started that the rest is about
	final   domain.TransferID // every transfer up to it is there
	waiting sealingMark       // that has not been reached; zero for none
}

// observe takes a new mark, and the number of the oldest transaction that was running then
// or later. It returns up to which id all transfers are there.
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
