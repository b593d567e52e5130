-- line-provider's first schema in SQLite.
--
-- Conventions: a coefficient is an integer of hundredths; instants are integers, Unix seconds, as
-- on line-provider's API; a boolean is 0 or 1; every constraint has a name. Tables are strict.

-- +goose Up

-- The line as a whole: one row, which is made when the file is first opened.
create table line (
    id            integer not null default 1,
    -- The epoch that sequence numbers belong to.
    dataset       text not null,
    generation    integer not null,
    -- The highest numbers that have been given out.
    last_seq      integer not null default 0,
    last_id       integer not null default 0,
    -- The seq up to which changes have been published.
    published_seq integer not null default 0,
    constraint line_pkey primary key (id),
    constraint line_single_check check (id = 1),
    constraint line_dataset_check check (dataset <> ''),
    constraint line_generation_check check (generation >= 1)
) strict;

-- Each event as it is now. In the order of seq it is the change log, and above published_seq the outbox.
create table events (
    id              integer not null,
    version         integer not null,
    seq             integer not null,
    coefficient     integer not null,
    deadline        integer not null,
    state           integer not null,
    created_at      integer not null,
    updated_at      integer not null,
    name            text not null,
    suspended       integer not null,
    result_revision integer not null,
    effective_at    integer,
    constraint events_pkey primary key (id),
    constraint events_seq_key unique (seq),
    constraint events_coefficient_check check (coefficient >= 100),
    constraint events_state_check check (state between 1 and 4),
    constraint events_suspended_check check (suspended in (0, 1))
) strict;
create index events_state_idx on events (state, id);

-- Every change: who made it and why, and the event as it was after it.
create table history (
    event_id        integer not null,
    version         integer not null,
    seq             integer not null,
    coefficient     integer not null,
    deadline        integer not null,
    state           integer not null,
    created_at      integer not null,
    updated_at      integer not null,
    name            text not null,
    suspended       integer not null,
    result_revision integer not null,
    effective_at    integer,
    action          text not null,
    at              integer not null,
    actor           text not null,
    token           text not null,
    reason          text not null,
    constraint history_pkey primary key (event_id, version),
    constraint history_event_id_fkey foreign key (event_id) references events (id)
) strict, without rowid;

-- The events that were created under an idempotency key. The event as it was created is the first
-- version in its history. Kept for ever.
create table creations (
    scope       text not null,
    key         text not null,
    -- SHA-256 of what was asked for.
    fingerprint blob not null,
    event_id    integer not null,
    constraint creations_pkey primary key (scope, key),
    constraint creations_event_id_fkey foreign key (event_id) references events (id)
) strict, without rowid;

-- +goose Down

drop table creations;
drop table history;
drop table events;
drop table line;
