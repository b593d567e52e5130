-- +goose Up

-- The latest instant of the store's clock, in microseconds since 1970. It is a sequence, because a sequence
-- is neither locked until a commit nor set back by a rollback.
create sequence store_clock_seq as bigint minvalue 0 start 0;
select setval('store_clock_seq', coalesce(extract(epoch from greatest(
    (select at from transfers order by id desc limit 1), (select max(closed_at) from events), (select max(resulted_at) from events)
)) * 1000000, 0)::bigint);

-- Reads the store's clock: the server's, or, if that has gone back, a microsecond after the latest instant.
-- Of two readings at the same moment the earlier one may be kept, which is later by less than the two calls
-- take. While the server's clock is behind, every reading is later than all before it.
-- +goose StatementBegin
create function store_clock() returns timestamptz language plpgsql as $$
declare
    wall   timestamptz := clock_timestamp();
    micros bigint := extract(epoch from wall) * 1000000;
begin
    if micros > (select last_value from store_clock_seq) then
        perform setval('store_clock_seq', micros);
        return wall;
    end if;
    return 'epoch'::timestamptz + nextval('store_clock_seq') * interval '1 microsecond';
end
$$;
-- +goose StatementEnd

-- Returns what store_clock would return at least, and records nothing.
-- +goose StatementBegin
create function store_clock_now() returns timestamptz language plpgsql as $$
begin
    return greatest(clock_timestamp(), (select 'epoch'::timestamptz + last_value * interval '1 microsecond' from store_clock_seq));
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
begin
    if exists (select from pg_roles where rolname = 'stavka_betmaker') then
        grant select, usage, update on sequence store_clock_seq to stavka_betmaker;
    end if;
end
$$;
-- +goose StatementEnd

-- The latest instant, by the store's clock, at which the line may have recorded the event's first result.
-- Results before this migration have none.
alter table events add column recorded_by timestamptz constraint events_recorded_by_check check (isfinite(recorded_by));

-- +goose Down

alter table events drop column recorded_by;
drop function store_clock_now();
drop function store_clock();
drop sequence store_clock_seq;
