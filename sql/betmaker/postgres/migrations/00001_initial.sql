-- bet-maker's first schema.
--
-- Conventions: ids are bigint; money is bigint minor units; a coefficient is an
-- integer of hundredths; instants are timestamptz; every constraint has a name.
-- Enumerations are smallint, closed in Go (betmaker/internal/domain), because slices
-- of a PostgreSQL enum need types registered on every connection.

-- +goose Up

create table users (
    id              bigint generated always as identity,
    name            text not null,
    username        text not null,
    email           text not null,
    -- The two without regard to case. Folded by the adapter: what lower() does depends on the
    -- database's locale.
    username_folded text not null,
    email_folded    text not null,
    password_hash   text not null,
    role            smallint not null,
    active          boolean not null default true,
    -- Part of every token; a new password, role or deactivation raises it, which ends the tokens before.
    token_version   integer not null default 1,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    constraint users_pkey primary key (id),
    constraint users_username_key unique (username_folded),
    constraint users_email_key unique (email_folded),
    constraint users_role_check check (role between 1 and 2)
);
create index users_active_admins_idx on users (id) where role = 2 and active;

-- One row per user from the user's first moment. Placing a bet locks it, which orders
-- everything one user does: bets, idempotency keys, payments, deactivation.
--
-- What it says of money is the sum of the user's transfers, kept for speed. The rows are
-- rewritten with every bet; the space that is left free lets that happen without touching an index.
create table wallets (
    user_id             bigint not null,
    -- What may be staked or withdrawn.
    balance             bigint not null default 0,
    -- The stakes of pending bets.
    held                bigint not null default 0,
    -- What is owed: later credits repay it first, so that it never stands beside a balance.
    debt                bigint not null default 0,
    -- Follows users.active in the same transaction. It stands here because a locked row is
    -- read as it is now, while a joined one is read as the statement's snapshot saw it.
    open                boolean not null default true,
    -- That of users, for the same reason: so placing a bet need not read the user.
    token_version       integer not null default 1,
    -- The stakes of one day, in days since 1970, UTC.
    staked              bigint not null default 0,
    staked_day          integer not null default 0,
    -- What the user lets themself stake in a day, and what takes its place when; 0 for no limit.
    stake_limit         bigint not null default 0,
    next_stake_limit    bigint not null default 0,
    next_stake_limit_at timestamptz,
    excluded_until      timestamptz,
    constraint wallets_pkey primary key (user_id),
    constraint wallets_user_id_fkey foreign key (user_id) references users (id),
    constraint wallets_balance_check check (balance >= 0),
    constraint wallets_held_check check (held >= 0),
    constraint wallets_debt_check check (debt >= 0 and (debt = 0 or balance = 0)),
    constraint wallets_instants_check check (isfinite(next_stake_limit_at) and isfinite(excluded_until))
) with (fillfactor = 50);

-- The projection of the line: each event as its newest applied change left it.
create table events (
    id              bigint not null,
    -- The data set (the D of the epoch) that this id belongs to.
    dataset         text not null,
    seq             bigint not null,
    version         bigint not null,
    name            text not null,
    coefficient     integer not null,
    deadline        timestamptz not null,
    state           smallint not null,
    suspended       boolean not null,
    result_revision bigint not null,
    effective_at    timestamptz,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    -- What follows is bet-maker's own.
    quarantined     boolean not null default false,
    void_before     timestamptz,
    -- An array of windows whose bets are void, those that were undone included.
    void_windows    jsonb not null default '[]',
    closed_at       timestamptz,
    resulted_at     timestamptz,
    settle_revision bigint not null default 0,
    -- The revision up to which no bet is behind; the sweep looks for events where it is not the newest.
    settled_revision bigint not null default 0,
    constraint events_pkey primary key (id),
    constraint events_coefficient_check check (coefficient between 100 and 9999999),
    constraint events_state_check check (state between 1 and 4),
    constraint events_instants_check check (
        isfinite(deadline) and isfinite(effective_at) and isfinite(created_at) and isfinite(updated_at)
        and isfinite(void_before) and isfinite(closed_at) and isfinite(resulted_at)
    ),
    constraint events_settled_revision_check check (settled_revision <= settle_revision)
);
create index events_open_idx on events (id) where state = 1 and not quarantined;
create index events_unsettled_idx on events (resulted_at, id) where settled_revision < settle_revision and not quarantined;

-- Without foreign keys, as transfers and verdicts: the placing transaction has locked the wallet
-- and read the event, and neither is ever deleted. Checking that once more, row by row, took a
-- third of the server's time for a batch.
create table bets (
    id              bigint generated by default as identity,
    user_id         bigint not null,
    event_id        bigint not null,
    stake           bigint not null,
    coefficient     integer not null,
    event_version   bigint not null,
    accepted_at     timestamptz not null,
    status          smallint not null default 1,
    payout          bigint,
    settle_revision bigint not null default 0,
    void_reason     smallint,
    settled_at      timestamptz,
    constraint bets_pkey primary key (id),
    constraint bets_stake_check check (stake > 0),
    -- Go cannot read infinite instants, and what it cannot read stops whoever comes to it.
    constraint bets_instants_check check (isfinite(accepted_at) and isfinite(settled_at)),
    constraint bets_coefficient_check check (coefficient between 100 and 9999999),
    constraint bets_status_check check (status between 1 and 4),
    constraint bets_settled_check check ((status = 1) = (payout is null)),
    constraint bets_void_reason_check check ((status = 4) = (void_reason is not null))
);
create index bets_user_id_idx on bets (user_id, id);
create index bets_event_id_idx on bets (event_id, id);
-- For settling, see LockBetsBehind.
create index bets_settling_idx on bets (event_id, user_id, id);

-- The liability of events, where it is asked for: what their pending bets would cost the
-- house. An event without a row has had none asked for yet.
create table liabilities (
    event_id bigint not null,
    amount   bigint not null,
    constraint liabilities_pkey primary key (event_id),
    constraint liabilities_amount_check check (amount >= 0)
) with (fillfactor = 50);

-- Every movement of money, as a double entry: the amount leaves debit and arrives in credit.
-- The accounts are 1 wallet, 2 escrow, 3 house, 4 external, 5 debt; the first and the last are those
-- of the user. The only source of truth about money; rows are neither changed nor deleted.
-- Without foreign keys, as verdicts: the ledger check finds what points nowhere.
create table transfers (
    id        bigint generated always as identity,
    user_id   bigint not null,
    debit     smallint not null,
    credit    smallint not null,
    amount    bigint not null,
    kind      smallint not null,
    bet_id    bigint,
    revision  bigint not null,
    reference text not null default '',
    at        timestamptz not null,
    constraint transfers_pkey primary key (id),
    constraint transfers_debit_check check (debit between 1 and 5),
    constraint transfers_credit_check check (credit between 1 and 5 and credit <> debit),
    constraint transfers_amount_check check (amount > 0),
    constraint transfers_kind_check check (kind between 1 and 10),
    constraint transfers_at_check check (isfinite(at))
);
-- By user within each stretch of a million ids, see ListTransfersOfUser: the newest of all users lie
-- together, where by user alone every bettor's would be on a page of their own. After ten million bets,
-- settling was 1.16 times as fast.
create index transfers_user_id_idx on transfers ((id >> 20), user_id, id);
-- A bet has at most one set of transfers per settle revision.
create unique index transfers_bet_key on transfers (bet_id, revision, debit, credit) where bet_id is not null;

-- The chain of hashes over transfers, see domain.Seal. As unchangeable as they are.
create table seals (
    id            bigint not null,
    last_transfer bigint not null,
    count         bigint not null,
    hash          bytea not null,
    at            timestamptz not null,
    constraint seals_pkey primary key (id),
    constraint seals_last_transfer_key unique (last_transfer),
    constraint seals_count_check check (count > 0),
    constraint seals_hash_check check (octet_length(hash) = 32),
    constraint seals_at_check check (isfinite(at))
);

-- Privileged actions: who, from where, what, why, before and after. As unchangeable.
create table audit_log (
    id         bigint generated always as identity,
    at         timestamptz not null,
    -- 0 for an operator at a terminal.
    actor_id   bigint not null,
    address    text not null,
    request_id text not null,
    action     text not null,
    subject    text not null,
    reason     text not null,
    before     jsonb,
    after      jsonb,
    constraint audit_log_pkey primary key (id),
    constraint audit_log_at_check check (isfinite(at))
);
create index audit_log_actor_id_idx on audit_log (actor_id, id);
create index audit_log_action_idx on audit_log (action, id);
create index audit_log_subject_idx on audit_log (subject, id);

-- What was decided for a request that carried an idempotency key: the bet, the
-- payment's transfer, or the refusal.
-- Accepted verdicts are kept for ever, refusals for 24 hours. Without foreign keys: the user's wallet
-- is locked and the bet inserted in the same transaction, neither is ever deleted, and checking them
-- once more took a fifth of the server's time for a batch.
create table verdicts (
    user_id     bigint not null,
    -- 1 a bet, 2 a deposit, 3 a withdrawal.
    operation   smallint not null,
    key         text not null,
    -- SHA-256 of the decoded command.
    fingerprint bytea not null,
    bet_id      bigint,
    transfer_id bigint,
    refusal     smallint,
    -- What the refusal's answer carries, such as the current price.
    params      jsonb,
    request_id  text not null,
    decided_at  timestamptz not null,
    constraint verdicts_pkey primary key (user_id, operation, key),
    constraint verdicts_fingerprint_check check (octet_length(fingerprint) = 32),
    constraint verdicts_either_check check (num_nonnulls(bet_id, transfer_id, refusal) = 1)
);
create index verdicts_refused_idx on verdicts (decided_at) where refusal is not null;

-- How far the line's change log has been read: one row, which is always there.
create table feed_cursor (
    id         smallint not null default 1,
    dataset    text not null,
    generation bigint not null,
    after_seq  bigint not null,
    constraint feed_cursor_pkey primary key (id),
    constraint feed_cursor_single_check check (id = 1)
);
insert into feed_cursor (dataset, generation, after_seq) values ('', 0, 0);

-- Failed logins, per account and per address, for all replicas together. One row each: counting
-- is exact for any period, and failures at the same moment do not wait for each other.
create table login_failures (
    id        bigint generated always as identity,
    subject   text not null,
    failed_at timestamptz not null,
    constraint login_failures_pkey primary key (id)
);
create index login_failures_subject_idx on login_failures (subject, failed_at);
create index login_failures_failed_at_idx on login_failures (failed_at);

-- What is written down for ever cannot be changed, by whoever it may be tried: the role that the
-- services take on has not got the right to, nor has the owner of the tables, and a superuser, who
-- needs no rights, meets the triggers. The role is of the whole cluster, so other databases may have
-- made it already. A user who may not make roles works as the owner.

-- +goose StatementBegin
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end
$$;
-- +goose StatementEnd
create trigger transfers_are_final before update or delete or truncate on transfers for each statement execute function refuse_change();
create trigger seals_are_final before update or delete or truncate on seals for each statement execute function refuse_change();
create trigger audit_log_is_final before update or delete or truncate on audit_log for each statement execute function refuse_change();

revoke update, delete, truncate on transfers, seals, audit_log from public, current_user;

-- +goose StatementBegin
do $$
begin
    if exists (select from pg_roles where rolname = current_user and (rolsuper or rolcreaterole)) then
        begin
            create role stavka_betmaker nologin;
        exception when duplicate_object or unique_violation then
            null;
        end;
    end if;
    if exists (select from pg_roles where rolname = 'stavka_betmaker') then
        if not pg_has_role(current_user, 'stavka_betmaker', 'member') then
            begin
                grant stavka_betmaker to current_user;
            -- The latter when another database is migrated at this moment, by the same user.
            exception when insufficient_privilege or unique_violation then
                null;
            end;
        end if;
        grant select, insert, update on users, wallets, events, bets, feed_cursor to stavka_betmaker;
        grant select, insert, update, delete on liabilities, verdicts, login_failures to stavka_betmaker;
        grant select, insert on transfers, seals, audit_log to stavka_betmaker;
        grant usage, select on sequence bets_id_seq, transfers_id_seq to stavka_betmaker;
    end if;
end
$$;
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
drop function refuse_change();
