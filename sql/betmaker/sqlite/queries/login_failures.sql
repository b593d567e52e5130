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
