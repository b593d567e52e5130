-- +goose Up

-- The newest successful login of each account from each network. Such a network is not locked out when others
-- guess the account's password.
create table login_successes (
    subject      text not null,
    succeeded_at integer not null,
    constraint login_successes_pkey primary key (subject)
) strict, without rowid;
create index login_successes_succeeded_at_idx on login_successes (succeeded_at);

-- The names that must be folded again when the rule changes, see ports.Users.FoldNames.
create index users_beyond_ascii_idx on users (id) where length(cast(username as blob)) <> length(username) or length(cast(email as blob)) <> length(email);

-- +goose Down
drop index users_beyond_ascii_idx;
drop table login_successes;
