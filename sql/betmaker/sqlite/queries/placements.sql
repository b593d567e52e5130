-- A batch of placements. The writing transaction is all the locks it needs.

-- name: Wallets :many
select user_id, open from wallets where user_id in (sqlc.slice('user_ids'));

-- name: StoredVerdict :one
-- The bet of an accepted one is read by itself; only replays have to.
select *
from verdicts
where user_id = @user_id and operation = 1 and key = @key and (bet_id is not null or decided_at > @refusals_after);

-- name: LastBetID :one
-- There is no sequence: bets are never deleted and there is one writer, so that the next id is
-- the one after the highest.
select cast(coalesce(max(id), 0) as integer) from bets;

-- name: InsertBet :exec
insert into bets (id, user_id, event_id, stake, coefficient, event_version, accepted_at, settle_revision)
values (@id, @user_id, @event_id, @stake, @coefficient, @event_version, @accepted_at, @settle_revision);

-- name: InsertVerdict :exec
-- Replaces a refusal, which has expired. An accepted verdict is never replaced: placements are
-- decided so that it does not come to that, and if it did, the fingerprint's not-null constraint
-- would fail the transaction before a key could get a second bet.
insert into verdicts (user_id, operation, key, fingerprint, bet_id, refusal, params, request_id, decided_at)
values (@user_id, 1, @key, @fingerprint, @bet_id, @refusal, @params, @request_id, @decided_at)
on conflict (user_id, operation, key) do update set
    fingerprint = case when verdicts.bet_id is null then excluded.fingerprint end,
    bet_id      = excluded.bet_id,
    refusal     = excluded.refusal,
    params      = excluded.params,
    request_id  = excluded.request_id,
    decided_at  = excluded.decided_at;

-- name: ForgetRefusals :execrows
delete from verdicts
where (user_id, operation, key) in (
    select v.user_id, v.operation, v.key
    from verdicts v
    where v.bet_id is null and v.decided_at <= @refusals_until
    order by v.decided_at
    limit @at_most
);
