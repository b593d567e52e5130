-- A batch of placements. It needs no locks besides the writing transaction.

-- name: StoredVerdict :one
-- The bet or the transfer of an accepted verdict is read by a second query, which only replays need.
select *
from verdicts
where user_id = @user_id and operation = @operation and key = @key and (refusal is null or decided_at > @refusals_after);

-- name: StoredVerdicts :many
-- The names of the JSON object are keys, and their values are users.
select v.*
from json_each(cast(@users_by_key as text)) k
    cross join verdicts v on v.user_id = k.value and v.operation = 1 and v.key = k.key
where v.refusal is null or v.decided_at > @refusals_after;

-- name: LastBetID :one
-- Bets are never deleted and there is one writer, so the next id is the highest one plus 1.
select cast(coalesce(max(id), 0) as integer) from bets;

-- name: InsertBet :exec
insert into bets (id, user_id, event_id, stake, coefficient, event_version, accepted_at, settle_revision, half_even)
values (@id, @user_id, @event_id, @stake, @coefficient, @event_version, @accepted_at, @settle_revision, 0);

-- name: InsertVerdict :exec
-- Replaces an expired refusal. An accepted verdict must never be replaced: if a request were decided
-- twice, the fingerprint's not-null constraint would fail the transaction, so that no key gets a second
-- bet or payment.
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
-- In pages, and not grouped by stake and price: grouping sorts all of the event's bets.
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
