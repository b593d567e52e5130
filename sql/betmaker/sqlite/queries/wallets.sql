-- Wallets and transfers. Transfers are only added; triggers refuse anything else.

-- name: Wallets :many
select * from wallets where user_id in (select value from json_each(cast(@user_ids as text)));

-- name: WalletByUser :one
select * from wallets where user_id = @user_id;

-- name: WriteMoney :exec
-- Writes the columns that bets, settlements and payments change.
update wallets
set balance = @balance, held = @held, debt = @debt, staked = @staked, staked_day = @staked_day
where user_id = @user_id;

-- name: RestrictWallet :exec
-- Writes the columns that users change themselves.
update wallets
set stake_limit         = @stake_limit,
    next_stake_limit    = @next_stake_limit,
    next_stake_limit_at = @next_stake_limit_at,
    excluded_until      = @excluded_until
where user_id = @user_id;

-- name: InsertTransfer :execlastid
-- There is one writer and nothing is deleted, so a later transfer has a higher id.
insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, reference, at)
values (@user_id, @debit, @credit, @amount, @kind, @bet_id, @revision, @reference, @at);

-- name: TransferByID :one
select * from transfers where id = @id;

-- Lists of transfers, the newest first. A kind or user of 0 means any. There are three queries because
-- each walks its own index.

-- name: ListTransfers :many
select *
from transfers
where id < @before and (cast(@kind as integer) = 0 or kind = @kind)
order by id desc
limit @at_most;

-- name: ListTransfersOfUser :many
select *
from transfers
where user_id = @user_id and id < @before and (cast(@kind as integer) = 0 or kind = @kind)
order by id desc
limit @at_most;

-- name: ListTransfersOfBet :many
-- All of them, unordered: a bet has few transfers, and the adapter sorts them.
select *
from transfers
where bet_id = @bet_id and id < @before
    and (cast(@user_id as integer) = 0 or user_id = @user_id) and (cast(@kind as integer) = 0 or kind = @kind);
