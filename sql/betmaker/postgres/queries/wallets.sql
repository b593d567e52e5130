-- name: WalletByUser :one
select sqlc.embed(wallets), store_clock_now()::timestamptz as now
from wallets
where user_id = @user_id;

-- name: RestrictWallet :one
update wallets
set stake_limit         = @stake_limit,
    next_stake_limit    = @next_stake_limit,
    next_stake_limit_at = @next_stake_limit_at,
    excluded_until      = @excluded_until
where user_id = @user_id
returning *;

-- The lists of transfers, the newest first unless stated otherwise. A kind of 0 matches all kinds, a user
-- of 0 all users.

-- name: ListTransfers :many
select *
from transfers
where id < @before and (@kind::smallint = 0 or kind = @kind)
order by id desc
limit @at_most;

-- name: ListTransfersOfUser :many
-- Returns the transfers in no order, and possibly more than wanted from the oldest stretch. The index is by
-- stretches of ids. The query counts the transfers of one stretch after another, from the newest, until
-- there are enough, and then reads them. Within a stretch it reads a range of the index, see LockBetsBehind.
with recursive wanted as (
    select @user_id::bigint as user_id, @before::bigint as before, @kind::smallint as kind, @at_most::integer as at_most
), stretches as (
    select (least(w.before - 1, (select coalesce(max(n.id), 0) from transfers n)) >> 20) + 1 as stretch, 0::bigint as here, 0::bigint as found
    from wanted w
    union all
    select s.stretch - 1, (
        select count(*)
        from (
            select
            from transfers t
            where t.id >> 20 = s.stretch - 1 and (t.user_id, t.id) < (w.user_id, w.before) and t.user_id >= w.user_id
                and (w.kind = 0 or t.kind = w.kind)
            order by t.user_id desc, t.id desc
            limit w.at_most
        ) as newest
    ), s.found + s.here
    from stretches s
        cross join wanted w
    where s.stretch > 0 and s.found + s.here < w.at_most
)
select newest.*
from wanted w
    cross join stretches s
    cross join lateral (
        select *
        from transfers t
        where t.id >> 20 = s.stretch and (t.user_id, t.id) < (w.user_id, w.before) and t.user_id >= w.user_id
            and (w.kind = 0 or t.kind = w.kind)
        order by t.user_id desc, t.id desc
        limit w.at_most
    ) as newest
where s.here > 0;

-- name: ListTransfersOfBet :many
-- Returns all transfers, without a limit: a bet has few. "id + 0" keeps the planner from walking over the
-- primary key, past the transfers of all other bets.
select *
from transfers
where bet_id = @bet_id::bigint and id + 0 < @before and (@user_id::bigint = 0 or user_id = @user_id)
    and (@kind::smallint = 0 or kind = @kind)
order by id + 0 desc;

-- name: StoredPayment :many
-- Returns the verdict on a payment's key, unless it is an expired refusal.
select *
from verdicts
where user_id = @user_id and operation = @operation and key = @key
    and (transfer_id is not null or decided_at > clock_timestamp() - @refusals_last::interval);

-- name: StoredPaymentTransfer :many
select t.*
from verdicts v
    join transfers t on t.id = v.transfer_id
where v.user_id = @user_id and v.operation = @operation and v.key = @key;

-- name: InsertPayment :exec
-- Replaces an expired refusal. If the key had an accepted verdict, the not-null constraint on the
-- fingerprint would fail the transaction.
insert into verdicts (user_id, operation, key, fingerprint, transfer_id, refusal, params, request_id, decided_at)
values (@user_id, @operation, @key, @fingerprint, nullif(@transfer_id::bigint, 0), nullif(@refusal::smallint, 0),
        nullif(@params::text, '')::jsonb, @request_id, @decided_at)
on conflict (user_id, operation, key) do update set
    fingerprint = case when verdicts.transfer_id is null then excluded.fingerprint end,
    transfer_id = excluded.transfer_id,
    refusal     = excluded.refusal,
    params      = excluded.params,
    request_id  = excluded.request_id,
    decided_at  = excluded.decided_at;
