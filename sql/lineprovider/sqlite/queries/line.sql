-- name: Line :one
select * from line;

-- name: AddLine :one
insert into line (dataset, generation) values (@dataset, 1) returning *;

-- name: SaveLine :exec
update line
set generation = @generation, last_seq = @last_seq, last_id = @last_id, published_seq = @published_seq;
