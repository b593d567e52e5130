-- A batch of placements. The adapter queues these texts on one pgx.Batch, each as a statement of
-- its own: a statement that waits for a lock keeps the snapshot it began with, so nothing may be
-- read by the statement that waits for what orders it.

-- name: LockWallets :many
-- Orders everything that one user does. A row is returned as it is once it is locked.
select *
from wallets
where user_id = any(@user_ids::bigint[])
order by user_id
for no key update;

-- name: LockEventsAgainstClosing :exec
-- The ids come in ascending order and are locked in the order of the array. The lock is an
-- advisory one because row locks taken FOR SHARE would starve whoever closes the event.
select pg_advisory_xact_lock_shared(unnest(@event_ids::bigint[]));

-- name: LockMissingLiabilities :exec
-- Before the liability of an event is worked out, whoever settles its bets must have committed, or
-- not have begun to write: a change of a row that is not yet committed would be lost. The events'
-- own locks do not do that, for those who place and those who settle do not wait for each other.
-- Counted, because "not exists" may be planned to read all liabilities.
select pg_advisory_xact_lock(-1 - wanted.id)
from (select unnest(@event_ids::bigint[]) as id) as wanted
where (select count(*) from liabilities l where l.event_id = wanted.id) = 0
order by wanted.id;

-- name: InsertMissingLiabilities :exec
-- Works out the liability of the events that have none kept: potential payout minus stake, over
-- their pending bets. The payout is stake x coefficient / 100, rounded half to even, as in
-- money.Amount.Payout; in two parts, because the product may not fit a bigint.
insert into liabilities (event_id, amount)
select e.id, (
    select coalesce(sum(whole + case when rest > 50 or rest = 50 and whole % 2 = 1 then 1 else 0 end - stake), 0)::bigint
    from (
        select b.stake, b.stake / 100 * b.coefficient + b.stake % 100 * b.coefficient / 100 as whole,
               b.stake % 100 * b.coefficient % 100 as rest
        from bets b
        where b.event_id = e.id and b.status = 1
    ) as payouts
)
from events e
where e.id = any(@event_ids::bigint[]) and (select count(*) from liabilities l where l.event_id = e.id) = 0
order by e.id
on conflict (event_id) do nothing;

-- name: LockLiabilities :many
select event_id, amount
from liabilities
where event_id = any(@event_ids::bigint[])
order by event_id
for no key update;

-- name: WriteLiabilities :exec
update liabilities l
set amount = n.amount
from (select unnest(@event_ids::bigint[]) as event_id, unnest(@amounts::bigint[]) as amount) as n
where l.event_id = n.event_id;

-- name: ForgetLiabilities :exec
-- All of them. The condition, which holds for every row, is for the index: rows are locked in its order.
delete from liabilities where event_id > 0;

-- name: StoredVerdicts :many
-- Looks each key up by itself: "(user_id, key) in (select unnest ...)", and a plain join as well,
-- may be planned to read the whole table. A refusal that has expired is there to be replaced.
select v.user_id, v.key, (v.bet_id is null and v.decided_at <= clock_timestamp() - @refusals_last::interval)::boolean as expired,
       v.fingerprint, coalesce(v.refusal, 0)::smallint as refusal, v.params, v.request_id,
       coalesce(b.id, 0)::bigint as bet_id, coalesce(b.event_id, 0)::bigint as event_id, coalesce(b.stake, 0)::bigint as stake,
       coalesce(b.coefficient, 0)::integer as coefficient, coalesce(b.event_version, 0)::bigint as event_version, b.accepted_at
from (select unnest(@user_ids::bigint[]) as user_id, unnest(@keys::text[]) as key) as wanted
    cross join lateral (
        select *
        from verdicts
        where verdicts.user_id = wanted.user_id and verdicts.operation = 1 and verdicts.key = wanted.key
        limit 1
    ) as v
    left join bets b on b.id = v.bet_id;

-- name: ReserveBetIDs :many
select nextval('bets_id_seq')::bigint as id
from generate_series(1, @count::integer);

-- name: Clock :one
select clock_timestamp()::timestamptz as now;

-- name: InsertBets :exec
insert into bets (id, user_id, event_id, stake, coefficient, event_version, accepted_at, settle_revision)
select unnest(@ids::bigint[]), unnest(@user_ids::bigint[]), unnest(@event_ids::bigint[]), unnest(@stakes::bigint[]),
       unnest(@coefficients::integer[]), unnest(@event_versions::bigint[]), unnest(@accepted_at::timestamptz[]),
       unnest(@settle_revisions::bigint[]);

-- name: InsertTransfers :many
-- The ids come in the order of the arrays, and so do the rows that are returned.
insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, reference, at)
select unnest(@user_ids::bigint[]), unnest(@debits::smallint[]), unnest(@credits::smallint[]), unnest(@amounts::bigint[]),
       unnest(@kinds::smallint[]), nullif(unnest(@bet_ids::bigint[]), 0), unnest(@revisions::bigint[]),
       unnest(@refs::text[]), unnest(@at::timestamptz[])
returning id;

-- name: WriteWallets :exec
-- Writes what bets and payments change of wallets, which are locked.
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
-- Makes room for new verdicts under the keys of refusals that have expired.
delete from verdicts v
using (select unnest(@user_ids::bigint[]) as user_id, 1::smallint as operation, unnest(@keys::text[]) as key) as expired
where v.user_id = expired.user_id and v.operation = expired.operation and v.key = expired.key and v.refusal is not null;

-- name: InsertVerdicts :exec
-- Under keys that have none: "on conflict" would look each of them up once more, for a twentieth
-- of the server's time for a batch. Should one be there after all, the batch fails before the key
-- could get a second bet.
insert into verdicts (user_id, operation, key, fingerprint, bet_id, refusal, params, request_id, decided_at)
select unnest(@user_ids::bigint[]), 1, unnest(@keys::text[]), unnest(@fingerprints::bytea[]), nullif(unnest(@bet_ids::bigint[]), 0),
       nullif(unnest(@refusals::smallint[]), 0), nullif(unnest(@params::text[]), '')::jsonb, unnest(@request_ids::text[]),
       @decided_at::timestamptz;

-- name: ForgetRefusals :execrows
-- Refusals of bets and of payments.
-- By now(), which an index can be searched for, unlike the clock's time.
-- Skips what is locked: a row that a batch is replacing is not old any more, and waiting for it
-- while holding others could deadlock with that batch.
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
