package rig

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	// growChunk is the number of bets that one transaction seeds.
	growChunk = 500_000
	// firstPast is the id of the first event that is seeded, far above those of the line.
	firstPast = 1_000_000_000
)

// pastEvents inserts settled events that were lost long ago, as copies of the first event.
const pastEvents = `
	insert into events
	select (jsonb_populate_record(pattern, jsonb_build_object(
		'id', $1::bigint + n, 'seq', $1::bigint + n, 'state', 3, 'result_revision', 1, 'settle_revision', 1, 'settled_revision', 1,
		'deadline', now() - interval '1 day', 'closed_at', now() - interval '1 day', 'resulted_at', now() - interval '1 day'))).*
	from (select e as pattern from events e where id = 1) as one, generate_series(0, $2::bigint - 1) as n`

// lostBets inserts bets on those events as if they had been placed and lost: the bets, the
// transfers of the stakes to escrow and from there to the house, the verdicts, and the
// changes of the wallets. Bets are spread evenly over users and events.
const lostBets = `
	with numbered as (
		select n, $3::bigint + n % $4::bigint as user_id, $5::bigint + n % $6::bigint as event_id, 100 + n % 900 as stake
		from generate_series($1::bigint, $2::bigint - 1) as n
	), placed as (
		insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at, status, payout, settle_revision, settled_at)
		select user_id, event_id, stake, 185, 1, now(), 3, 0, 1, now() from numbered order by n
		returning id, user_id, event_id, stake, accepted_at
	), staked as (
		insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, reference, at)
		select user_id, 1, 2, stake, 4, id, 0, 'event ' || event_id || ' v1 @ 1.85', accepted_at from placed order by id
	), lost as (
		insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, reference, at)
		select user_id, 2, 3, stake, 6, id, 1, '', accepted_at from placed order by id
	), decided as (
		insert into verdicts (user_id, operation, key, fingerprint, bet_id, request_id, decided_at)
		select user_id, 1, 'seed-' || id, sha256(int8send(id)), id, 'seed-' || id, accepted_at from placed
	)
	update wallets w
	set balance = w.balance - sum.stake
	from (select user_id, sum(stake)::bigint as stake from placed group by user_id) as sum
	where w.user_id = sum.user_id`

// SeedHistory inserts settled events and lost bets on them, spread evenly over the first
// bettors.
func (s *System) SeedHistory(ctx context.Context, events, bets, users int) error {
	return withConn(ctx, s.Database, func(conn *pgx.Conn) error {
		// The rows that foreign keys would look up exist.
		if _, err := conn.Exec(ctx, "set session_replication_role = replica; set synchronous_commit = off"); err != nil {
			return fmt.Errorf("seed a history: %w", err)
		}
		if _, err := conn.Exec(ctx, pastEvents, firstPast, events); err != nil {
			return fmt.Errorf("seed events: %w", err)
		}
		var indexes []index
		if bets > growChunk {
			var err error
			if indexes, err = dropIndexes(ctx, conn); err != nil {
				return err
			}
		}
		for first := 0; first < bets; first += growChunk {
			last := min(first+growChunk, bets)
			if _, err := conn.Exec(ctx, lostBets, first, last, s.Bettors.First, users, firstPast, events); err != nil {
				return fmt.Errorf("seed bets: %w", err)
			}
			s.rig.Log.Printf("%s: seeded %d of %d bets", s.name, last, bets)
		}
		if err := createIndexes(ctx, conn, indexes); err != nil {
			return err
		}
		return Settle(ctx, s.Database) // otherwise autovacuum would run during the turns
	})
}

// index is an index, or a constraint with one, that is dropped and created again.
type index struct{ drop, create string }

// dropIndexes drops the indexes of the large tables, because creating them afterwards is
// faster than filling them row by row.
func dropIndexes(ctx context.Context, conn *pgx.Conn) ([]index, error) {
	rows, err := conn.Query(ctx, `
		select format('alter table %I drop constraint %I cascade', r.relname, c.conname),
		       format('alter table %I add constraint %I %s', r.relname, c.conname, pg_get_constraintdef(c.oid))
		from pg_constraint c join pg_class r on r.oid = c.conrelid
		where r.relname in ('bets', 'transfers', 'verdicts') and r.relnamespace = 'public'::regnamespace and c.contype in ('p', 'u')
		union all
		select format('drop index %I', i.relname), pg_get_indexdef(i.oid)
		from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class r on r.oid = x.indrelid
		where r.relname in ('bets', 'transfers', 'verdicts') and r.relnamespace = 'public'::regnamespace
		    and not exists (select from pg_constraint c where c.conindid = i.oid and c.contype in ('p', 'u'))`)
	if err != nil {
		return nil, fmt.Errorf("find indexes: %w", err)
	}
	indexes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (i index, err error) {
		err = row.Scan(&i.drop, &i.create)
		return i, err
	})
	if err != nil {
		return nil, fmt.Errorf("find indexes: %w", err)
	}
	for _, i := range indexes {
		if _, err := conn.Exec(ctx, i.drop); err != nil {
			return nil, fmt.Errorf("%s: %w", i.drop, err)
		}
	}
	return indexes, nil
}

func createIndexes(ctx context.Context, conn *pgx.Conn, indexes []index) error {
	if _, err := conn.Exec(ctx, "set maintenance_work_mem = '1GB'"); err != nil {
		return fmt.Errorf("create the indexes: %w", err)
	}
	var errs []error
	for _, i := range indexes {
		if _, err := conn.Exec(ctx, i.create); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", i.create, err))
		}
	}
	return errors.Join(errs...)
}
