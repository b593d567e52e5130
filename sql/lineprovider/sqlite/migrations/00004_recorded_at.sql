-- +goose Up

-- When the first result was recorded, in milliseconds since 1970. Results before this migration have none.
alter table events add column recorded_at integer;
alter table history add column recorded_at integer;

-- +goose Down

alter table history drop column recorded_at;
alter table events drop column recorded_at;
