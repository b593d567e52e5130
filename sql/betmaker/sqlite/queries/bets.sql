-- name: BetByID :one
select * from bets where id = @id;

-- Lists of bets, the newest first. A status of 0 means any. There are three queries because each walks
-- its own index.

-- name: ListBets :many
select *
from bets
where id < @before and (cast(@status as integer) = 0 or status = @status)
order by id desc
limit @at_most;

-- name: ListBetsOfUser :many
-- An event of 0 means any. There is no index of bets by user. Every bet has one transfer of its stake, and
-- there is one writer, so bets and these transfers have the same order. The query walks the user's
-- transfers from the transfer of the bet @before.
select b.*
from transfers t
    join bets b on b.id = t.bet_id
where t.user_id = @user_id and t.kind = 4
    and t.id < coalesce((select s.id from transfers s where s.bet_id = cast(@before as integer) and s.kind = 4), 9223372036854775807)
    and b.id < @before
    and (cast(@event_id as integer) = 0 or b.event_id = @event_id) and (cast(@status as integer) = 0 or b.status = @status)
order by t.id desc
limit @at_most;

-- name: ListBetsOnEvent :many
select *
from bets
where event_id = @event_id and id < @before and (cast(@status as integer) = 0 or status = @status)
order by id desc
limit @at_most;
