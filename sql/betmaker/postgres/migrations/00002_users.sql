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

-- +goose Down
alter table login_failures alter column subject type text collate "default";
drop table login_successes;
