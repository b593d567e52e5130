-- name: InsertUser :one
insert into users (
    name, username, username_folded, email, email_folded, password_hash, role, active, token_version, created_at, updated_at
)
select @name, @username, @username_folded, @email, @email_folded, @password_hash, @role::smallint, @active::boolean,
       @token_version::integer, now, now
from (select store_clock() as now) as clock
returning *;

-- name: InsertWallet :exec
insert into wallets (user_id, balance, held, debt, open, token_version)
values (@user_id, @balance, @held, @debt, @open, @token_version);

-- name: LockWallet :one
select * from wallets where user_id = @user_id for no key update;

-- name: LockUser :one
select * from users where id = @id for no key update;

-- name: LockAdmins :exec
-- Orders the changes of active admins. A lock with two keys never conflicts with the locks of events.
select pg_advisory_xact_lock(1, 1);

-- name: CountActiveAdmins :one
select count(*) from users where role = 2 and active;

-- name: ActiveAdmins :many
select * from users where role = 2 and active order by id;

-- name: UpdateUser :one
update users
set name            = @name,
    username        = @username,
    username_folded = @username_folded,
    email           = @email,
    email_folded    = @email_folded,
    password_hash   = @password_hash,
    role            = @role,
    active          = @active,
    token_version   = @token_version,
    updated_at      = @updated_at
where id = @id
returning *;

-- name: OpenWallet :exec
-- Opens or closes the wallet and sets the version of the tokens that may stake from it.
update wallets set open = @open, token_version = @token_version where user_id = @user_id;

-- name: UserByID :one
select * from users where id = @id;

-- name: UserByUsername :one
select * from users where username_folded = @username_folded;

-- name: UsersBeyondASCII :many
select * from users where octet_length(username) <> char_length(username) or octet_length(email) <> char_length(email) order by id;

-- name: FoldUser :exec
update users set username_folded = @username_folded, email_folded = @email_folded where id = @id;

-- name: UserByEmail :one
select * from users where email_folded = @email_folded;

-- name: ListUsers :many
select * from users where id > @after order by id limit @at_most;
