-- name: BetByID :one
select * from bets where id = @id;
-- name: EventsByID :many
select * from events where id in (sqlc.slice('ids'));
-- name: ListBets :many
select * from bets where id < @before and (cast(@status as integer) = 0 or status = @status) order by id desc limit @at_most;
