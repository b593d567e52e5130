-- name: BetByID :one
select * from bets where id = @id;

-- Lists of bets, the newest first. A status of 0 stands for all. They are three queries because
-- each has an index of its own to walk.

-- name: ListBets :many
select *
from bets
where id < @before and (cast(@status as integer) = 0 or status = @status)
order by id desc
limit @at_most;

-- name: ListBetsOfUser :many
-- An event of 0 stands for all.
select *
from bets
where user_id = @user_id and id < @before
    and (cast(@event_id as integer) = 0 or event_id = @event_id) and (cast(@status as integer) = 0 or status = @status)
order by id desc
limit @at_most;

-- name: ListBetsOnEvent :many
select *
from bets
where event_id = @event_id and id < @before and (cast(@status as integer) = 0 or status = @status)
order by id desc
limit @at_most;
