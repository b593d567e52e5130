-- name: BetByID :one
select * from bets where id = @id;

-- name: BetsByID :many
select * from bets where id = any(@ids::bigint[]);

-- The lists of bets, the newest first. A status of 0 matches all bets. Each of the three queries walks
-- another index; the last two are written as a range of it, see LockBetsBehind.

-- name: ListBets :many
select *
from bets
where id < @before and (@status::smallint = 0 or status = @status)
order by id desc
limit @at_most;

-- name: ListBetsOfUser :many
-- An event of 0 matches all events.
select *
from bets
where (user_id, id) < (@user_id::bigint, @before::bigint) and user_id >= @user_id
    and (@event_id::bigint = 0 or event_id = @event_id) and (@status::smallint = 0 or status = @status)
order by user_id desc, id desc
limit @at_most;

-- name: ListBetsOnEvent :many
select *
from bets
where (event_id, id) < (@event_id::bigint, @before::bigint) and event_id >= @event_id
    and (@status::smallint = 0 or status = @status)
order by event_id desc, id desc
limit @at_most;
