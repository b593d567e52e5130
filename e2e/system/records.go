package system

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// Records reads bet-maker's database, in PostgreSQL or SQLite.
type Records struct {
	t             testing.TB
	driver        string
	reads, writes string // data sources of the driver
}

// Records returns the records of the system's bet-makers.
func (s *System) Records(t testing.TB) Records {
	t.Helper()
	if s.Embedded {
		file := s.File("betmaker.db")
		// A read-only connection that is the last to close the file does not clean up what a
		// killed process has left.
		return Records{t: t, driver: "sqlite", reads: fileSource(file, "mode=ro"), writes: fileSource(file, "mode=rw")}
	}
	database := strings.Replace(s.Env["DATABASE_URL"], "+asyncpg", "", 1)
	return Records{t: t, driver: "pgx", reads: database, writes: database}
}

// Snapshot is the bets and events of bet-maker's database at one instant.
type Snapshot struct {
	Bets   []Bet // in the order of their ids
	Events map[int64]Event
}

// Bet is a row of bets. Numbers are as they are stored.
type Bet struct {
	ID, UserID, EventID, Stake, Coefficient, EventVersion int64
	AcceptedAt                                            time.Time
	Status, VoidReason                                    int // no reason is 0
	Payout                                                *int64
	SettleRevision                                        int64
	Key                                                   string // the Idempotency-Key of its placement, or ""
}

// Books is the wallets and transfers of bet-maker's database at one instant.
type Books struct {
	Bets      []Bet
	Wallets   map[int64]Wallet // by user
	Transfers []Transfer       // in the order of their ids
}

// Wallet is a row of wallets. Amounts are as they are stored.
type Wallet struct{ Balance, Held, Debt int64 }

// Transfer is a row of transfers. Numbers are as they are stored; BetID is 0 for none.
type Transfer struct{ ID, UserID, Debit, Credit, Amount, Kind, BetID int64 }

// Event is a row of events. Numbers are as they are stored.
type Event struct {
	ID, Version, Seq                int64
	Name                            string
	Coefficient                     int64
	State                           int
	Suspended                       bool
	ResultRevision                  int64
	Deadline                        time.Time
	EffectiveAt, RecordedBy         *time.Time
	ClosedAt                        *time.Time
	Quarantined                     bool
	SettleRevision, SettledRevision int64
}

// Read returns the current bets and events.
func (r Records) Read() Snapshot {
	r.t.Helper()
	var now Snapshot
	r.atOneInstant(func(ctx context.Context, tx *sql.Tx) error {
		var errs [2]error
		now.Bets, errs[0] = readBets(ctx, tx)
		now.Events, errs[1] = readEvents(ctx, tx)
		return errors.Join(errs[:]...)
	})
	return now
}

// ReadBooks returns the current wallets and transfers.
func (r Records) ReadBooks() Books {
	r.t.Helper()
	var now Books
	r.atOneInstant(func(ctx context.Context, tx *sql.Tx) error {
		var errs [3]error
		now.Bets, errs[0] = readBets(ctx, tx)
		now.Wallets, errs[1] = readWallets(ctx, tx)
		now.Transfers, errs[2] = readTransfers(ctx, tx)
		return errors.Join(errs[:]...)
	})
	return now
}

func (r Records) atOneInstant(read func(context.Context, *sql.Tx) error) {
	r.t.Helper()
	r.use(r.reads, func(ctx context.Context, db *sql.DB) error {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
		if err != nil {
			return err
		}
		return errors.Join(read(ctx, tx), tx.Rollback())
	})
}

func readBets(ctx context.Context, tx *sql.Tx) (bets []Bet, err error) {
	//nolint:unqueryvet // a column that no test reads must be noticed
	rows, err := tx.QueryContext(ctx, `
		select b.*, coalesce(b.void_reason, 0) as reason, coalesce(v.key, '') as key
		from bets b left join verdicts v on v.bet_id = b.id
		order by b.id`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var b Bet
		fields := map[string]any{
			"id": &b.ID, "user_id": &b.UserID, "event_id": &b.EventID, "stake": &b.Stake, "coefficient": &b.Coefficient,
			"event_version": &b.EventVersion, "accepted_at": instant{&b.AcceptedAt}, "status": &b.Status, "reason": &b.VoidReason,
			"payout": &b.Payout, "settle_revision": &b.SettleRevision, "key": &b.Key,
			"void_reason": new(any), "settled_at": new(any), "half_even": new(any), // which no test compares
		}
		into := make([]any, len(columns))
		for i, column := range columns {
			if into[i] = fields[column]; into[i] == nil {
				return nil, fmt.Errorf("bets have a column %s that no test reads", column)
			}
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		bets = append(bets, b)
	}
	return bets, rows.Err()
}

func readEvents(ctx context.Context, tx *sql.Tx) (events map[int64]Event, err error) {
	rows, err := tx.QueryContext(ctx, `
		select id, version, seq, name, coefficient, state, suspended, result_revision,
		       deadline, effective_at, recorded_by, closed_at, quarantined, settle_revision, settled_revision
		from events`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	events = make(map[int64]Event)
	for rows.Next() {
		var e Event
		if err := rows.Scan(&e.ID, &e.Version, &e.Seq, &e.Name, &e.Coefficient, &e.State, &e.Suspended, &e.ResultRevision,
			instant{&e.Deadline}, optional{&e.EffectiveAt}, optional{&e.RecordedBy}, optional{&e.ClosedAt}, &e.Quarantined, &e.SettleRevision, &e.SettledRevision); err != nil {
			return nil, err
		}
		events[e.ID] = e
	}
	return events, rows.Err()
}

func readWallets(ctx context.Context, tx *sql.Tx) (wallets map[int64]Wallet, err error) {
	rows, err := tx.QueryContext(ctx, `select user_id, balance, held, debt from wallets`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	wallets = make(map[int64]Wallet)
	for rows.Next() {
		var (
			user int64
			w    Wallet
		)
		if err := rows.Scan(&user, &w.Balance, &w.Held, &w.Debt); err != nil {
			return nil, err
		}
		wallets[user] = w
	}
	return wallets, rows.Err()
}

func readTransfers(ctx context.Context, tx *sql.Tx) (transfers []Transfer, err error) {
	rows, err := tx.QueryContext(ctx, `select id, user_id, debit, credit, amount, kind, coalesce(bet_id, 0) from transfers order by id`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var t Transfer
		if err := rows.Scan(&t.ID, &t.UserID, &t.Debit, &t.Credit, &t.Amount, &t.Kind, &t.BetID); err != nil {
			return nil, err
		}
		transfers = append(transfers, t)
	}
	return transfers, rows.Err()
}

// instant scans an instant. PostgreSQL has a type for it; SQLite stores microseconds.
type instant struct{ into *time.Time }

// Scan implements sql.Scanner.
func (i instant) Scan(value any) error {
	switch value := value.(type) {
	case time.Time:
		*i.into = value.UTC()
	case int64:
		*i.into = time.UnixMicro(value).UTC()
	default:
		return fmt.Errorf("%v is not an instant", value)
	}
	return nil
}

// optional scans an instant that may be null.
type optional struct{ into **time.Time }

// Scan implements sql.Scanner.
func (o optional) Scan(value any) error {
	if *o.into = nil; value == nil {
		return nil
	}
	*o.into = new(time.Time)
	return instant{*o.into}.Scan(value)
}

// NoteSettlements adds a trigger that records each settling of a bet with its revision. In
// PostgreSQL bet-maker's role may only write to its own tables, so the trigger runs as the
// owner of its function.
func (r Records) NoteSettlements() {
	r.t.Helper()
	trigger := map[string]string{
		"pgx": `
			create function note_settled() returns trigger language plpgsql security definer as $$
				begin insert into settled values (new.id, new.settle_revision); return null; end $$;
			create trigger note_settled after update on bets for each row execute function note_settled()`,
		"sqlite": `
			create trigger note_settled after update on bets
				begin insert into settled values (new.id, new.settle_revision); end`,
	}[r.driver]
	r.use(r.writes, func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, `create table settled (bet_id bigint, revision bigint);`+trigger)
		return err
	})
}

// SetClock makes the latest instant of bet-maker's clock one that is ahead of now. bet-maker must not run.
func (r Records) SetClock(ahead time.Duration) {
	r.t.Helper()
	statement := map[string]string{
		"pgx":    `select setval('store_clock_seq', $1::bigint)`,
		"sqlite": `update clock set reserved = $1`,
	}[r.driver]
	r.use(r.writes, func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, statement, time.Now().Add(ahead).UnixMicro())
		return err
	})
}

// SettledTwice returns the number of bets that were settled to one revision more than once
// since NoteSettlements.
func (r Records) SettledTwice() (bets int) {
	r.t.Helper()
	r.use(r.reads, func(ctx context.Context, db *sql.DB) error {
		return db.QueryRowContext(ctx,
			`select count(*) from (select 1 from settled group by bet_id, revision having count(*) > 1) as twice`).Scan(&bets)
	})
	return bets
}

func (r Records) use(source string, do func(context.Context, *sql.DB) error) {
	r.t.Helper()
	if err := withDatabase(r.t.Context(), r.driver, source, do); err != nil {
		r.t.Fatalf("read bet-maker's database: %v", err)
	}
}
