-- Everything that concerns money, page by page in order of id, all in one reading transaction.

-- name: SealsAfter :many
select * from seals where id > @after order by id limit @at_most;

-- name: TransfersAfter :many
select * from transfers where id > @after order by id limit @at_most;

-- name: WalletsAfter :many
select * from wallets where user_id > @after order by user_id limit @at_most;

-- name: EventsAfter :many
select sqlc.embed(events), liabilities.amount as liability
from events
left join liabilities on liabilities.event_id = events.id
where events.id > @after
order by events.id
limit @at_most;

-- name: BetsAfter :many
select * from bets where id > @after order by id limit @at_most;

-- name: BetTransfersAfter :many
-- The transfers that are for bets, in the order of their index, whose columns name the one to go on
-- after: bet by bet, but those of one bet not in order of id. SQLite goes to the bet by the index and past
-- its transfers one by one.
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
