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
