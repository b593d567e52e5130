-- +goose Up

-- The newest successful login of each account from each network. Such a network is not locked out when others
-- guess the account's password.
create table login_successes (
    subject      text not null,
    succeeded_at timestamptz not null,
    constraint login_successes_pkey primary key (subject)
);
create index login_successes_succeeded_at_idx on login_successes (succeeded_at);

-- +goose StatementBegin
do $$
begin
    if exists (select from pg_roles where rolname = 'stavka_betmaker') then
        grant select, insert, update, delete on login_successes to stavka_betmaker;
    end if;
end
$$;
-- +goose StatementEnd

-- The adapter reads ranges of subjects with a common prefix.
alter table login_failures alter column subject type text collate "C";

-- The names that must be folded again when the rule changes, see ports.Users.FoldNames.
create index users_beyond_ascii_idx on users (id) where octet_length(username) <> char_length(username) or octet_length(email) <> char_length(email);

-- +goose Down
drop index users_beyond_ascii_idx;
alter table login_failures alter column subject type text collate "default";
drop table login_successes;
