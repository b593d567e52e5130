-- bet-maker's first schema in SQLite. It has the tables of the PostgreSQL schema, whose comments explain
-- them; comments here explain differences.
--
-- Conventions: money is an integer in minor units; a coefficient is an integer in hundredths; an instant
-- is an integer in microseconds since 1970, UTC; a boolean is 0 or 1; every constraint has a name. Tables
-- are strict.

-- +goose Up

create table users (
    id              integer not null,
    name            text not null,
    username        text not null,
    email           text not null,
    username_folded text not null,
    email_folded    text not null,
    password_hash   text not null,
    role            integer not null,
    active          integer not null default 1,
    token_version   integer not null default 1,
    created_at      integer not null,
    updated_at      integer not null,
    constraint users_pkey primary key (id),
    constraint users_username_key unique (username_folded),
    constraint users_email_key unique (email_folded),
    constraint users_role_check check (role between 1 and 2),
    constraint users_active_check check (active in (0, 1))
) strict;
create index users_active_admins_idx on users (id) where role = 2 and active = 1;

create table wallets (
    user_id             integer not null,
    balance             integer not null default 0,
    held                integer not null default 0,
    debt                integer not null default 0,
    open                integer not null default 1,
    token_version       integer not null default 1,
    staked              integer not null default 0,
    staked_day          integer not null default 0,
    stake_limit         integer not null default 0,
    next_stake_limit    integer not null default 0,
    next_stake_limit_at integer,
    excluded_until      integer,
    constraint wallets_pkey primary key (user_id),
    constraint wallets_user_id_fkey foreign key (user_id) references users (id),
    constraint wallets_balance_check check (balance >= 0),
    constraint wallets_held_check check (held >= 0),
    constraint wallets_debt_check check (debt >= 0 and (debt = 0 or balance = 0)),
    constraint wallets_open_check check (open in (0, 1))
) strict;

create table events (
    id               integer not null,
    dataset          text not null,
    seq              integer not null,
    version          integer not null,
    name             text not null,
    coefficient      integer not null,
    deadline         integer not null,
    state            integer not null,
    suspended        integer not null,
    result_revision  integer not null,
    effective_at     integer,
    created_at       integer not null,
    updated_at       integer not null,
    quarantined      integer not null default 0,
    void_before      integer,
    -- JSON.
    void_windows     text not null default '[]',
    closed_at        integer,
    resulted_at      integer,
    settle_revision  integer not null default 0,
    settled_revision integer not null default 0,
    constraint events_pkey primary key (id),
    constraint events_coefficient_check check (coefficient between 100 and 9999999),
    constraint events_state_check check (state between 1 and 4),
    constraint events_suspended_check check (suspended in (0, 1)),
    constraint events_quarantined_check check (quarantined in (0, 1)),
    constraint events_settled_revision_check check (settled_revision <= settle_revision)
) strict;
create index events_open_idx on events (id) where state = 1 and quarantined = 0;
create index events_unsettled_idx on events (resulted_at) where settled_revision < settle_revision and quarantined = 0;

create table bets (
    id              integer not null,
    user_id         integer not null,
    event_id        integer not null,
    stake           integer not null,
    coefficient     integer not null,
    event_version   integer not null,
    accepted_at     integer not null,
    status          integer not null default 1,
    payout          integer,
    settle_revision integer not null default 0,
    void_reason     integer,
    settled_at      integer,
    constraint bets_pkey primary key (id),
    constraint bets_user_id_fkey foreign key (user_id) references wallets (user_id),
    constraint bets_event_id_fkey foreign key (event_id) references events (id),
    constraint bets_stake_check check (stake > 0),
    constraint bets_coefficient_check check (coefficient between 100 and 9999999),
    constraint bets_status_check check (status between 1 and 4),
    constraint bets_settled_check check ((status = 1) = (payout is null)),
    constraint bets_void_reason_check check ((status = 4) = (void_reason is not null))
) strict;
-- Every index ends in the row's id; naming it would store it twice.
--
-- There is no index by user: a user's bets are found by the transfers of their stakes. Each bet of a batch
-- would change a different page of such an index.
create index bets_event_id_idx on bets (event_id);

create table liabilities (
    event_id integer not null,
    amount   integer not null,
    constraint liabilities_pkey primary key (event_id),
    constraint liabilities_amount_check check (amount >= 0)
) strict;

create table transfers (
    id        integer not null,
    user_id   integer not null,
    debit     integer not null,
    credit    integer not null,
    amount    integer not null,
    kind      integer not null,
    bet_id    integer,
    revision  integer not null,
    reference text not null default '',
    at        integer not null,
    constraint transfers_pkey primary key (id),
    constraint transfers_debit_check check (debit between 1 and 5),
    constraint transfers_credit_check check (credit between 1 and 5 and credit <> debit),
    constraint transfers_amount_check check (amount > 0),
    constraint transfers_kind_check check (kind between 1 and 10)
) strict;
create index transfers_user_id_idx on transfers (user_id);
create unique index transfers_bet_key on transfers (bet_id, revision, debit, credit) where bet_id is not null;

create table seals (
    id            integer not null,
    last_transfer integer not null,
    count         integer not null,
    hash          blob not null,
    at            integer not null,
    constraint seals_pkey primary key (id),
    constraint seals_last_transfer_key unique (last_transfer),
    constraint seals_count_check check (count > 0),
    constraint seals_hash_check check (length(hash) = 32)
) strict;

create table audit_log (
    id         integer not null,
    at         integer not null,
    actor_id   integer not null,
    address    text not null,
    request_id text not null,
    action     text not null,
    subject    text not null,
    reason     text not null,
    -- JSON, both.
    before     text,
    after      text,
    constraint audit_log_pkey primary key (id)
) strict;
create index audit_log_actor_id_idx on audit_log (actor_id);
create index audit_log_action_idx on audit_log (action);
create index audit_log_subject_idx on audit_log (subject);

-- Not "without rowid": a batch of bets inserts keys in no order, and each changed page of the tree is
-- written. An index that holds only the keys has far fewer pages.
create table verdicts (
    user_id     integer not null,
    operation   integer not null,
    key         text not null,
    fingerprint blob not null,
    bet_id      integer,
    transfer_id integer,
    refusal     integer,
    -- JSON.
    params      text,
    request_id  text not null,
    decided_at  integer not null,
    constraint verdicts_pkey primary key (user_id, operation, key),
    constraint verdicts_fingerprint_check check (length(fingerprint) = 32),
    constraint verdicts_either_check check ((bet_id is not null) + (transfer_id is not null) + (refusal is not null) = 1)
) strict;
create index verdicts_refused_idx on verdicts (decided_at) where refusal is not null;

create table feed_cursor (
    id         integer not null default 1,
    dataset    text not null,
    generation integer not null,
    after_seq  integer not null,
    constraint feed_cursor_pkey primary key (id),
    constraint feed_cursor_single_check check (id = 1)
) strict;
insert into feed_cursor (dataset, generation, after_seq) values ('', 0, 0);

create table login_failures (
    id        integer not null,
    subject   text not null,
    failed_at integer not null,
    constraint login_failures_pkey primary key (id)
) strict;
create index login_failures_subject_idx on login_failures (subject, failed_at);
create index login_failures_failed_at_idx on login_failures (failed_at);

-- SQLite has no privileges; triggers make these tables append-only. "Insert or replace" deletes rows
-- without firing delete triggers, so there are triggers for insertion, too.

-- +goose StatementBegin
create trigger transfers_no_update before update on transfers begin
    select raise(abort, 'transfers is append-only');
end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger transfers_no_delete before delete on transfers begin
    select raise(abort, 'transfers is append-only');
end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger seals_no_update before update on seals begin
    select raise(abort, 'seals is append-only');
end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger seals_no_delete before delete on seals begin
    select raise(abort, 'seals is append-only');
end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger audit_log_no_update before update on audit_log begin
    select raise(abort, 'audit_log is append-only');
end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger audit_log_no_delete before delete on audit_log begin
    select raise(abort, 'audit_log is append-only');
end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger transfers_no_replace before insert on transfers when exists (select 1 from transfers where id = new.id)
    or exists (
        select 1 from transfers where bet_id = new.bet_id and revision = new.revision and debit = new.debit and credit = new.credit
    ) begin
    select raise(abort, 'transfers is append-only');
end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger seals_no_replace before insert on seals when exists (select 1 from seals where id = new.id or last_transfer = new.last_transfer) begin
    select raise(abort, 'seals is append-only');
end;
-- +goose StatementEnd
-- +goose StatementBegin
create trigger audit_log_no_replace before insert on audit_log when exists (select 1 from audit_log where id = new.id) begin
    select raise(abort, 'audit_log is append-only');
end;
-- +goose StatementEnd

-- +goose Down

drop table login_failures;
drop table feed_cursor;
drop table verdicts;
drop table audit_log;
drop table seals;
drop table transfers;
drop table liabilities;
drop table bets;
drop table events;
drop table wallets;
drop table users;
