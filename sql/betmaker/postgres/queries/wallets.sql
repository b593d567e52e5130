-- name: WalletByUser :one
select sqlc.embed(wallets), clock_timestamp()::timestamptz as now
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

-- Lists of transfers, the newest first where nothing else is said. A kind of 0 stands for all, a user of 0 too.

-- name: ListTransfers :many
select *
from transfers
where id < @before and (@kind::smallint = 0 or kind = @kind)
order by id desc
limit @at_most;

-- name: ListTransfersOfUser :many
-- In no order, and of the oldest stretch that was looked at perhaps more than are wanted. The index is
-- by stretches of ids: they are counted in one after the other, from the newest, until there are enough,
-- and then read. Within a stretch it is a range of the index, as is explained at LockBetsBehind.
with recursive wanted as (
    select @user_id::bigint as user_id, @before::bigint as before, @kind::smallint as kind, @at_most::integer as at_most
), stretches as (
    select (least(w.before - 1, (select coalesce(max(n.id), 0) from transfers n)) >> 20) + 1 as stretch, 0::bigint as its, 0::bigint as found
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
    ), s.found + s.its
    from stretches s
        cross join wanted w
    where s.stretch > 0 and s.found + s.its < w.at_most
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
where s.its > 0;

-- name: ListTransfersOfBet :many
-- All of them: a bet has few, and their index does not know the order of their ids. By id alone it
-- may be planned as a walk over the primary key, past the transfers of all other bets.
select *
from transfers
where bet_id = @bet_id::bigint and id + 0 < @before and (@user_id::bigint = 0 or user_id = @user_id)
    and (@kind::smallint = 0 or kind = @kind)
order by id + 0 desc;

-- name: StoredPayment :many
-- What was decided on a payment's key, unless that is a refusal which is too old.
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
-- Replaces a refusal, which has expired, and nothing else, as InsertVerdicts does.
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
