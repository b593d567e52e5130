-- +goose Up

-- No instant of the store's clock so far is later than reserved. The table always has exactly one row.
create table clock (
    id       integer not null default 1,
    reserved integer not null,
    constraint clock_pkey primary key (id),
    constraint clock_single_check check (id = 1)
) strict;
insert into clock (reserved)
select max(
    coalesce((select at from transfers order by id desc limit 1), 0),
    coalesce((select max(closed_at) from events), 0),
    coalesce((select max(resulted_at) from events), 0)
);

-- The latest instant, by the store's clock, at which the line may have recorded the event's first result.
-- Results before this migration have none.
alter table events add column recorded_by integer;

-- +goose Down

alter table events drop column recorded_by;
drop table clock;
