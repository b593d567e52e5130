-- bet-maker's first schema.
--
-- Conventions: ids are bigint; money is bigint minor units; a coefficient is an integer of hundredths;
-- instants are timestamptz; every constraint has a name. Enumerations are smallint, with the values of
-- betmaker/internal/domain, because slices of a PostgreSQL enum need types registered on every
-- connection.

-- +goose Up

create table users (
    id              bigint generated always as identity,
    name            text not null,
    username        text not null,
    email           text not null,
    -- Username and email for comparison without regard to case. The adapter folds them, because the result
    -- of lower() depends on the database's locale.
    username_folded text not null,
    email_folded    text not null,
    password_hash   text not null,
    role            smallint not null,
    active          boolean not null default true,
    -- Part of every token. A new password or role, or a deactivation, raises it, which invalidates
    -- earlier tokens.
    token_version   integer not null default 1,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    constraint users_pkey primary key (id),
    constraint users_username_key unique (username_folded),
    constraint users_email_key unique (email_folded),
    constraint users_role_check check (role between 1 and 2)
);
create index users_active_admins_idx on users (id) where role = 2 and active;

-- One row per user, created with the user. Placing a bet locks it, which orders all actions of one user:
-- bets, idempotency keys, payments, deactivation.
--
-- The amounts are sums of the user's transfers, stored for speed. Each bet updates its row; the free space
-- lets an update stay on the page, without a change of an index.
create table wallets (
    user_id             bigint not null,
    -- The amount that may be staked or withdrawn.
    balance             bigint not null default 0,
    -- The stakes of pending bets.
    held                bigint not null default 0,
    -- The amount the user owes. Later credits repay it first, so that debt and balance are never both positive.
    debt                bigint not null default 0,
    -- A copy of users.active, written in the same transaction. A locked row is read as it is now, while a
    -- joined row would be read from the statement's snapshot.
    open                boolean not null default true,
    -- A copy of users.token_version, for the same reason.
    token_version       integer not null default 1,
    -- The stakes of staked_day, which is in days since 1970, UTC.
    staked              bigint not null default 0,
    staked_day          integer not null default 0,
    -- The user's own limit of stakes per day, and the next limit and when it starts; 0 means no limit.
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

-- The projection of the line: each event after its newest applied change.
create table events (
    id              bigint not null,
    -- The data set that the id belongs to, as in the epoch.
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
    -- The columns below belong to bet-maker, not to the line.
    quarantined     boolean not null default false,
    void_before     timestamptz,
    -- An array of windows whose bets are void, including windows that were undone.
    void_windows    jsonb not null default '[]',
    closed_at       timestamptz,
    resulted_at     timestamptz,
    settle_revision bigint not null default 0,
    -- No bet is behind this revision. The sweep looks for events where it is lower than settle_revision.
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

-- Bets, transfers and verdicts have no foreign keys. The placing transaction has locked the wallet and read
-- the event, and neither is ever deleted. Checking that again for each row would make batches
-- slow.
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
    -- Go cannot read infinite instants.
    constraint bets_instants_check check (isfinite(accepted_at) and isfinite(settled_at)),
    constraint bets_coefficient_check check (coefficient between 100 and 9999999),
    constraint bets_status_check check (status between 1 and 4),
    constraint bets_settled_check check ((status = 1) = (payout is null)),
    constraint bets_void_reason_check check ((status = 4) = (void_reason is not null))
);
create index bets_user_id_idx on bets (user_id, id);
create index bets_event_id_idx on bets (event_id, id);
-- LockBetsBehind uses it.
create index bets_settling_idx on bets (event_id, user_id, id);

-- The liability of events: what their pending bets would cost the house. It is computed when a batch needs
-- it first; until then the event has no row.
create table liabilities (
    event_id bigint not null,
    amount   bigint not null,
    constraint liabilities_pkey primary key (event_id),
    constraint liabilities_amount_check check (amount >= 0)
) with (fillfactor = 50);

-- All movements of money, as double entries: the amount leaves debit and arrives in credit. The accounts are
-- 1 wallet, 2 escrow, 3 house, 4 external, 5 debt; wallet and debt belong to the user. Transfers are the
-- only source of truth about money. Rows are never changed or deleted. Instead of foreign keys, the ledger
-- check finds transfers without a bet.
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
-- By user within each stretch of about a million ids, see ListTransfersOfUser. The newest transfers of all
-- users are then close together in the index. In an index by user alone, inserts would touch a page for
-- each bettor.
create index transfers_user_id_idx on transfers ((id >> 20), user_id, id);
-- A bet has at most one set of transfers per settle revision.
create unique index transfers_bet_key on transfers (bet_id, revision, debit, credit) where bet_id is not null;

-- The chain of hashes over transfers, see domain.Seal. Rows are never changed or deleted.
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

-- Privileged actions: actor, address, action, reason, and the states before and after. Rows are never
-- changed or deleted.
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

-- The decisions on requests with an idempotency key: the bet, the transfer of the payment, or the refusal.
-- Accepted verdicts are never deleted, refusals after 24 hours. There are no foreign keys: the transaction has
-- locked the user's wallet and inserted the bet, and neither is ever deleted.
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
    -- The parameters of the refusal, such as the current price.
    params      jsonb,
    request_id  text not null,
    decided_at  timestamptz not null,
    constraint verdicts_pkey primary key (user_id, operation, key),
    constraint verdicts_fingerprint_check check (octet_length(fingerprint) = 32),
    constraint verdicts_either_check check (num_nonnulls(bet_id, transfer_id, refusal) = 1)
);
create index verdicts_refused_idx on verdicts (decided_at) where refusal is not null;

-- The position in the line's change log. The table always has exactly one row.
create table feed_cursor (
    id         smallint not null default 1,
    dataset    text not null,
    generation bigint not null,
    after_seq  bigint not null,
    constraint feed_cursor_pkey primary key (id),
    constraint feed_cursor_single_check check (id = 1)
);
insert into feed_cursor (dataset, generation, after_seq) values ('', 0, 0);

-- Failed logins, per account and per address, for all replicas together. Each failure is a row, so that
-- counting is exact for any period and concurrent failures do not wait for each other.
create table login_failures (
    id        bigint generated always as identity,
    subject   text not null,
    failed_at timestamptz not null,
    constraint login_failures_pkey primary key (id)
);
create index login_failures_subject_idx on login_failures (subject, failed_at);
create index login_failures_failed_at_idx on login_failures (failed_at);

-- Transfers, seals and the audit log are append-only. The role that the services take on has no right to
-- change them, nor has the owner of the tables. Triggers refuse it even to a superuser. The
-- role belongs to the whole cluster, so another database may have created it already. If the user may not
-- create roles, the service works as the owner.

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
            -- unique_violation occurs if the same user migrates another database at the same time.
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
