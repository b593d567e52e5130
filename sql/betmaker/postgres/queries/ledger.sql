-- What the ledger check reads: everything, in pages, each in the order of an index.

-- name: LedgerSeals :many
select * from seals where id > @after order by id limit @at_most;

-- name: LedgerTransfers :many
select * from transfers where id > @after order by id limit @at_most;

-- name: LedgerWallets :many
select * from wallets where user_id > @after order by user_id limit @at_most;

-- name: LedgerEvents :many
select sqlc.embed(e), l.amount as liability
from events e
    left join liabilities l on l.event_id = e.id
where e.id > @after
order by e.id
limit @at_most;

-- name: LedgerBets :many
select * from bets where id > @after order by id limit @at_most;

-- name: LedgerTransfersOfBets :many
-- By bet, and in the order of their index within each.
select *
from transfers
where bet_id is not null
    and (bet_id, revision, debit, credit) > (@bet_id::bigint, @revision::bigint, @debit::smallint, @credit::smallint)
order by bet_id, revision, debit, credit
limit @at_most;

-- Sealing, see the adapter.

-- name: TryLockSealing :one
-- Two-key locks never meet those of the events.
select pg_try_advisory_xact_lock(1, 2);

-- name: NewestSeal :many
select * from seals order by id desc limit 1;

-- name: HighestTransferID :one
-- The highest id that has been given out, also to what is not committed yet.
select coalesce(pg_sequence_last_value('transfers_id_seq'), 0)::bigint as id;

-- name: OwnTransaction :one
-- The number of this transaction, which gets one here if it has none: higher than those of all
-- that have one. And when the server started: numbers of another server say nothing.
select pg_current_xact_id()::text::bigint as own, pg_postmaster_start_time()::timestamptz as server_started_at;

-- name: OldestTransaction :one
-- Every transaction with a lower number has ended, and this statement's successors see what it wrote.
select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest;

-- name: TransfersToSeal :many
select * from transfers where id > @after and id <= @up_to order by id limit @at_most;

-- name: InsertSeal :exec
insert into seals (id, last_transfer, count, hash, at) values (@id, @last_transfer, @count, @hash, @at);
