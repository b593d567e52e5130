-- The ledger check reads all rows, in pages, each in the order of an index.

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
-- Ordered by bet and, within a bet, by the other columns of the index.
select *
from transfers
where bet_id is not null
    and (bet_id, revision, debit, credit) > (@bet_id::bigint, @revision::bigint, @debit::smallint, @credit::smallint)
order by bet_id, revision, debit, credit
limit @at_most;

-- Sealing, see sealingMark in the adapter.

-- name: TryLockSealing :one
-- A lock with two keys never conflicts with the locks of events, which have one.
select pg_try_advisory_xact_lock(1, 2);

-- name: NewestSeal :many
select * from seals order by id desc limit 1;

-- name: HighestTransferID :one
-- The highest id drawn so far, also by transactions that have not committed yet.
select coalesce(pg_sequence_last_value('transfers_id_seq'), 0)::bigint as id;

-- name: OwnTransaction :one
-- The number of this transaction. If it has none yet it gets one, which is higher than all numbers given
-- out before. The start of the server is returned because numbers of different servers cannot be compared.
select pg_current_xact_id()::text::bigint as own, pg_postmaster_start_time()::timestamptz as server_started_at;

-- name: OldestTransaction :one
-- Every transaction with a lower number has ended, and the statements after this one see its writes.
select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest;

-- name: TransfersToSeal :many
select * from transfers where id > @after and id <= @up_to order by id limit @at_most;

-- name: InsertSeal :exec
insert into seals (id, last_transfer, count, hash, at) values (@id, @last_transfer, @count, @hash, @at);
