-- A batch of placements. The writing transaction is all the locks it needs.

-- name: StoredVerdict :one
-- The bet, or the transfer, of an accepted one is read by itself; only replays have to.
select *
from verdicts
where user_id = @user_id and operation = @operation and key = @key and (refusal is null or decided_at > @refusals_after);

-- name: StoredVerdictsOnBets :many
-- Of each key, a name in the JSON object, the value is the user.
select v.*
from json_each(cast(@users_by_key as text)) k
    cross join verdicts v on v.user_id = k.value and v.operation = 1 and v.key = k.key
where v.refusal is null or v.decided_at > @refusals_after;

-- name: LastBetID :one
-- There is no sequence: bets are never deleted and there is one writer, so that the next id is
-- the one after the highest.
select cast(coalesce(max(id), 0) as integer) from bets;

-- name: InsertBet :exec
insert into bets (id, user_id, event_id, stake, coefficient, event_version, accepted_at, settle_revision)
values (@id, @user_id, @event_id, @stake, @coefficient, @event_version, @accepted_at, @settle_revision);

-- name: InsertVerdict :exec
-- Replaces a refusal, which has expired. An accepted verdict is never replaced: requests are
-- decided so that it does not come to that, and if it did, the fingerprint's not-null constraint
-- would fail the transaction before a key could get a second bet or payment.
insert into verdicts (user_id, operation, key, fingerprint, bet_id, transfer_id, refusal, params, request_id, decided_at)
values (@user_id, @operation, @key, @fingerprint, @bet_id, @transfer_id, @refusal, @params, @request_id, @decided_at)
on conflict (user_id, operation, key) do update set
    fingerprint = case when verdicts.refusal is not null then excluded.fingerprint end,
    bet_id      = excluded.bet_id,
    transfer_id = excluded.transfer_id,
    refusal     = excluded.refusal,
    params      = excluded.params,
    request_id  = excluded.request_id,
    decided_at  = excluded.decided_at;

-- name: ForgetRefusals :execrows
delete from verdicts
where (user_id, operation, key) in (
    select v.user_id, v.operation, v.key
    from verdicts v
    where v.refusal is not null and v.decided_at <= @refusals_until
    order by v.decided_at
    limit @at_most
);

-- name: Liabilities :many
select * from liabilities where event_id in (select value from json_each(cast(@event_ids as text)));

-- name: PendingBets :many
-- Page by page: there may be a great many.
select *
from bets
where event_id = @event_id and id > @after and status = 1
order by id
limit @at_most;

-- name: WriteLiability :exec
insert into liabilities (event_id, amount)
values (@event_id, @amount)
on conflict (event_id) do update set amount = excluded.amount;

-- name: ForgetLiabilities :exec
delete from liabilities;
