-- +goose Up

-- Payouts are rounded down. Bets that were accepted before this migration keep their payout, which is rounded
-- half to even.
alter table bets add column half_even integer not null default 1 constraint bets_half_even_check check (half_even in (0, 1));

-- +goose Down

alter table bets drop column half_even;
