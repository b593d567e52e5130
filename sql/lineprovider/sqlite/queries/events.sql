-- name: EventByID :one
select * from events where id = @id;

-- name: EventsAfter :many
select * from events where seq > @after order by seq limit @at_most;
