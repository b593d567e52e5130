-- The ledger check reads everything in pages, in one reading transaction.

-- name: LedgerSeals :many
select * from seals where id > @after order by id limit @at_most;

-- name: LedgerTransfers :many
select * from transfers where id > @after order by id limit @at_most;

-- name: LedgerWallets :many
select * from wallets where user_id > @after order by user_id limit @at_most;

-- name: LedgerEvents :many
select sqlc.embed(events), liabilities.amount as liability
from events
left join liabilities on liabilities.event_id = events.id
where events.id > @after
order by events.id
limit @at_most;

-- name: LedgerBets :many
select * from bets where id > @after order by id limit @at_most;

-- name: LedgerTransfersOfBets :many
-- The transfers of bets, in the order of their index: by bet, but not by id within a bet. SQLite finds
-- the bet by the index, and skips its earlier transfers one by one.
select *
from transfers
where bet_id is not null
    and (bet_id, revision, debit, credit)
    > (cast(@bet_id as integer), cast(@revision as integer), cast(@debit as integer), cast(@credit as integer))
order by bet_id, revision, debit, credit
limit @at_most;

-- name: NewestSeal :one
select * from seals where id = (select max(s.id) from seals s);

-- name: InsertSeal :exec
insert into seals (id, last_transfer, count, hash, at) values (@id, @last_transfer, @count, @hash, @at);
