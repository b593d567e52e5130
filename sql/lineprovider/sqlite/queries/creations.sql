-- name: AddCreation :exec
insert into creations (scope, key, fingerprint, event_id) values (@scope, @key, @fingerprint, @event_id);

-- name: CreationByKey :one
-- The event as it was created is version 1 of its history.
select creations.fingerprint, sqlc.embed(history)
from creations
join history on history.event_id = creations.event_id and history.version = 1
where creations.scope = @scope and creations.key = @key;
