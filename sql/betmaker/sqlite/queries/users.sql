-- name: InsertUser :one
-- The wallet needs a second statement: SQLite allows no insert in a common table expression.
insert into users (
    name, username, username_folded, email, email_folded, password_hash, role, active, token_version, created_at, updated_at
)
values (
    @name, @username, @username_folded, @email, @email_folded, @password_hash, @role, @active, @token_version, @now, @now
)
returning *;

-- name: InsertWallet :exec
insert into wallets (user_id, balance, open, token_version) values (@user_id, @balance, @open, @token_version);

-- name: CountActiveAdmins :one
select count(*) from users where role = 2 and active = 1;

-- name: ActiveAdmins :many
select * from users where role = 2 and active = 1 order by id;

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
-- Opens or closes the wallet, and sets which tokens may stake from it.
update wallets set open = @open, token_version = @token_version where user_id = @user_id;

-- name: UserByID :one
select * from users where id = @id;

-- name: UserByUsername :one
select * from users where username_folded = @username_folded;

-- name: UsersBeyondASCII :many
select * from users where length(cast(username as blob)) <> length(username) or length(cast(email as blob)) <> length(email) order by id;

-- name: FoldUser :exec
update users set username_folded = @username_folded, email_folded = @email_folded where id = @id;

-- name: UserByEmail :one
select * from users where email_folded = @email_folded;

-- name: ListUsers :many
select * from users where id > @after order by id limit @at_most;
