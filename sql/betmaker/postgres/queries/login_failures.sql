-- name: AddLoginFailures :exec
insert into login_failures (subject, failed_at)
select unnest(@subjects::text[]), @failed_at::timestamptz;

-- name: CountLoginFailures :many
select subject, count(*) as failures
from login_failures
where subject = any(@subjects::text[]) and failed_at >= @since
group by subject;

-- name: ForgetLoginFailures :exec
delete from login_failures where failed_at < @before;

-- name: LiftLoginFailures :exec
delete from login_failures where subject >= @prefix and subject < @beyond;

-- name: AddLoginSuccess :exec
-- Most logins find a fresh row and write nothing.
insert into login_successes (subject, succeeded_at) values (@subject, @succeeded_at)
on conflict (subject) do update set succeeded_at = excluded.succeeded_at
where login_successes.succeeded_at < @stale;

-- name: CountLoginSuccesses :one
select count(*) from login_successes where subject = @subject and succeeded_at >= @since;

-- name: ForgetLoginSuccesses :exec
delete from login_successes where succeeded_at < @before;
