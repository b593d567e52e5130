-- line-provider's first schema in SQLite.
--
-- Conventions: a coefficient is an integer in hundredths; an instant is an integer in Unix seconds, as in
-- line-provider's API; a boolean is 0 or 1; every constraint has a name. Tables are strict.

-- +goose Up

-- The state of the line: one row, inserted when the file is first opened.
create table line (
    id            integer not null default 1,
    -- The epoch of the sequence numbers.
    dataset       text not null,
    generation    integer not null,
    -- The highest numbers that have been assigned.
    last_seq      integer not null default 0,
    last_id       integer not null default 0,
    -- Changes up to this seq have been published.
    published_seq integer not null default 0,
    constraint line_pkey primary key (id),
    constraint line_single_check check (id = 1),
    constraint line_dataset_check check (dataset <> ''),
    constraint line_generation_check check (generation >= 1)
) strict;

-- The present state of each event. Ordered by seq this is the change log; the part above published_seq is
-- the outbox.
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

-- Every change: its author, its reason, and the event after it.
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

-- The events that were created with an idempotency key. The event as it was created is version 1 of its
-- history. Rows are never deleted.
create table creations (
    scope       text not null,
    key         text not null,
    -- SHA-256 of the request.
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
