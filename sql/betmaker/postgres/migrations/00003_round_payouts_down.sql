-- +goose Up

-- Payouts are rounded down. Bets that were accepted before this migration, or by a program that does not know
-- the column, keep their payout, which is rounded half to even.
alter table bets add column half_even boolean not null default true;

-- +goose Down

alter table bets drop column half_even;
