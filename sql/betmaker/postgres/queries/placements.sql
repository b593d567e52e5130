-- A batch of placements. The adapter sends these statements together in one pgx.Batch. Locking and
-- reading are separate statements, because a statement that waits for a lock keeps the snapshot it began
-- with and would not see what was committed meanwhile.

-- name: LockWallets :many
-- Orders all actions of one user. Each row is returned as it is after it has been locked.
select *
from wallets
where user_id = any(@user_ids::bigint[])
order by user_id
for no key update;

-- name: LockEventsShared :exec
-- Locks events in the order of the array, which must be ascending. The lock is advisory because row locks
-- FOR SHARE would starve the transaction that closes the event.
select pg_advisory_xact_lock_shared(unnest(@event_ids::bigint[]));

-- name: LockMissingLiabilities :many
-- Locks the liabilities of the events that have none stored, and returns those events. It waits until
-- every transaction that settles bets of such an event has committed or has not started to write: the
-- change of an uncommitted row would be lost. The events' own locks do not ensure that, because placing
-- and settling do not wait for each other.
-- The subquery counts because "not exists" may be planned to read all liabilities.
select wanted.id::bigint as event_id, pg_advisory_xact_lock(-1 - wanted.id)::text as locked
from (select unnest(@event_ids::bigint[]) as id) as wanted
where (select count(*) from liabilities l where l.event_id = wanted.id) = 0
order by wanted.id;

-- name: LockLiabilities :many
select event_id, amount
from liabilities
where event_id = any(@event_ids::bigint[])
order by event_id
for no key update;

-- name: PendingBets :many
-- Counts the pending bets on events by their potential payout. The adapter has locked the events'
-- liabilities, see LockMissingLiabilities.
select event_id, stake, coefficient, half_even, count(*) as bets
from bets
where event_id = any(@event_ids::bigint[]) and status = 1
group by event_id, stake, coefficient, half_even;

-- name: WriteLiabilities :exec
-- The events' liabilities are locked: the row, or, if there is none, the advisory lock.
insert into liabilities (event_id, amount)
select unnest(@event_ids::bigint[]), unnest(@amounts::bigint[])
on conflict (event_id) do update set amount = excluded.amount;

-- name: ForgetLiabilities :exec
-- Deletes all liabilities. The condition holds for every row; it makes the statement lock rows in the
-- order of the index.
delete from liabilities where event_id > 0;

-- name: StoredVerdicts :many
-- Looks each key up separately: "(user_id, key) in (select unnest ...)", and a plain join as well,
-- may be planned to read the whole table. An expired refusal is returned so that it can be replaced.
select v.user_id, v.key, (v.bet_id is null and v.decided_at <= clock_timestamp() - @refusals_last::interval)::boolean as expired,
       v.fingerprint, coalesce(v.refusal, 0)::smallint as refusal, v.params, v.request_id, coalesce(v.bet_id, 0)::bigint as bet_id
from (select unnest(@user_ids::bigint[]) as user_id, unnest(@keys::text[]) as key) as wanted
    cross join lateral (
        select *
        from verdicts
        where verdicts.user_id = wanted.user_id and verdicts.operation = 1 and verdicts.key = wanted.key
        limit 1
    ) as v;

-- name: ReserveBetIDs :many
select nextval('bets_id_seq')::bigint as id
from generate_series(1, @count::integer);

-- name: Clock :one
select store_clock()::timestamptz as now;

-- name: InsertBets :exec
insert into bets (id, user_id, event_id, stake, coefficient, event_version, accepted_at, settle_revision, half_even)
select unnest(@ids::bigint[]), unnest(@user_ids::bigint[]), unnest(@event_ids::bigint[]), unnest(@stakes::bigint[]),
       unnest(@coefficients::integer[]), unnest(@event_versions::bigint[]), unnest(@accepted_at::timestamptz[]),
       unnest(@settle_revisions::bigint[]), false;

-- name: InsertTransfers :many
-- The ids ascend in the order of the arrays, and the rows are returned in that order.
insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, reference, at)
select unnest(@user_ids::bigint[]), unnest(@debits::smallint[]), unnest(@credits::smallint[]), unnest(@amounts::bigint[]),
       unnest(@kinds::smallint[]), nullif(unnest(@bet_ids::bigint[]), 0), unnest(@revisions::bigint[]),
       unnest(@refs::text[]), unnest(@at::timestamptz[])
returning id;

-- name: WriteWallets :exec
-- Writes the columns that bets and payments change. The wallets are locked.
update wallets w
set balance    = n.balance,
    held       = n.held,
    debt       = n.debt,
    staked     = n.staked,
    staked_day = n.staked_day
from (
    select unnest(@user_ids::bigint[]) as user_id, unnest(@balances::bigint[]) as balance, unnest(@held::bigint[]) as held,
           unnest(@debts::bigint[]) as debt, unnest(@staked::bigint[]) as staked, unnest(@staked_days::integer[]) as staked_day
) as n
where w.user_id = n.user_id;

-- name: DeleteRefusals :exec
-- Deletes expired refusals, so that new verdicts can be inserted under their keys.
delete from verdicts v
using (select unnest(@user_ids::bigint[]) as user_id, 1::smallint as operation, unnest(@keys::text[]) as key) as expired
where v.user_id = expired.user_id and v.operation = expired.operation and v.key = expired.key and v.refusal is not null;

-- name: InsertVerdicts :exec
-- The keys have no verdicts. "On conflict" would look each of them up once more. If a key did have a
-- verdict, the batch would fail before the key could get a second bet.
insert into verdicts (user_id, operation, key, fingerprint, bet_id, refusal, params, request_id, decided_at)
select unnest(@user_ids::bigint[]), 1, unnest(@keys::text[]), unnest(@fingerprints::bytea[]), nullif(unnest(@bet_ids::bigint[]), 0),
       nullif(unnest(@refusals::smallint[]), 0), nullif(unnest(@params::text[]), '')::jsonb, unnest(@request_ids::text[]),
       @decided_at::timestamptz;

-- name: ForgetRefusals :execrows
-- Deletes refusals of bets and of payments.
-- It compares with now() because an index cannot be searched for clock_timestamp().
-- It skips locked rows: a batch is replacing them, and waiting for one while holding others could
-- deadlock with that batch.
delete from verdicts v
using (
    select user_id, operation, key
    from verdicts
    where refusal is not null and decided_at <= now() - @refusals_last::interval
    order by decided_at
    limit @at_most
    for update skip locked
) as old
where v.user_id = old.user_id and v.operation = old.operation and v.key = old.key;
