-- +goose Up

-- The id of the request that bet-maker has made; the client may have chosen the other. Empty in older records.
alter table audit_log add column server_request_id text not null default '';

-- The names of what the action on a user changed, with spaces between them.
alter table audit_log add column changed text not null default '';

-- +goose Down

alter table audit_log drop column changed;
alter table audit_log drop column server_request_id;
