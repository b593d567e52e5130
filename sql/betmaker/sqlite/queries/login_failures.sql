-- name: AddLoginFailure :exec
insert into login_failures (subject, failed_at) values (@subject, @failed_at);

-- name: CountLoginFailures :many
-- The list must come last: its placeholders are numbered after the other parameters.
select subject, count(*) as failures
from login_failures
where failed_at >= @since and subject in (sqlc.slice('subjects'))
group by subject;

-- name: ForgetLoginFailures :exec
delete from login_failures where failed_at < @before;

-- name: LiftLoginFailures :exec
delete from login_failures where subject >= @prefix and subject < @beyond;

-- name: AddLoginSuccess :exec
insert into login_successes (subject, succeeded_at) values (@subject, @succeeded_at)
on conflict (subject) do update set succeeded_at = excluded.succeeded_at;

-- name: CountLoginSuccesses :one
select count(*) from login_successes where subject = @subject and succeeded_at >= @since;

-- name: ForgetLoginSuccesses :exec
delete from login_successes where succeeded_at < @before;
