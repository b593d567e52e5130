-- +goose Up

-- The newest successful login of each account from each network. Such a network is not locked out when others
-- guess the account's password.
create table login_successes (
    subject      text not null,
    succeeded_at integer not null,
    constraint login_successes_pkey primary key (subject)
) strict, without rowid;
create index login_successes_succeeded_at_idx on login_successes (succeeded_at);

-- +goose Down
drop table login_successes;
