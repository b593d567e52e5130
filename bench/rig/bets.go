package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
)

// SeededStatus is the status of seeded bets, with the numbers of the database.
type SeededStatus int

// Statuses of bets.
const (
	Pending SeededStatus = 1
	Won     SeededStatus = 2
	Lost    SeededStatus = 3
)

// SeedBets inserts bets on an event into a database as if they had just been placed: each by
// a random bettor, with the transfer of its stake, which the bettor's wallet holds.
func SeedBets(ctx context.Context, database string, bettors Bettors, event int64, count int) error {
	return withConn(ctx, database, func(conn *pgx.Conn) error {
		statements := []struct {
			sql       string
			arguments []any
		}{
			// The rows that foreign keys would look up exist.
			{"set session_replication_role = replica", nil},
			{"set synchronous_commit = off", nil},
			{`insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at)
				select $1::bigint + floor(random() * $2::integer)::integer, $3, 100 + floor(random() * 4900), 185, 1, clock_timestamp()
				from generate_series(1, $4::integer)`, []any{bettors.First, len(bettors.Tokens), event, count}},
			{`insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, reference, at)
				select user_id, 1, 2, stake, 4, id, settle_revision, 'event ' || event_id || ' v1 @ 1.85', accepted_at
				from bets where event_id = $1 order by id`, []any{event}},
			{`update wallets w set balance = balance - staked.sum, held = held + staked.sum
				from (select user_id, sum(stake) as sum from bets where event_id = $1 group by user_id) as staked
				where w.user_id = staked.user_id`, []any{event}},
		}
		for _, s := range statements {
			if _, err := conn.Exec(ctx, s.sql, s.arguments...); err != nil {
				return fmt.Errorf("seed bets on event %d: %w", event, err)
			}
		}
		return nil
	})
}

// SeedEvent opens an event, seeds bets on it, and brings the database to rest (see Settle).
func (s *System) SeedEvent(ctx context.Context, bets int) (int64, error) {
	event, err := s.OpenEvent(ctx)
	if err != nil {
		return 0, err
	}
	err = poll(ctx, func() error {
		return s.DB.QueryRow(ctx, "select from events where id = $1", event).Scan()
	})
	if err != nil {
		return 0, fmt.Errorf("bet-maker does not know event %d: %w", event, err)
	}
	if err := SeedBets(ctx, s.Database, s.Bettors, event, bets); err != nil {
		return 0, err
	}
	return event, errors.Join(s.AwaitSealed(ctx), Settle(ctx, s.Database))
}

// AwaitSettled waits until an event with a result is settled, and returns the time from the
// result to that, by the database's clock.
func (s *System) AwaitSettled(ctx context.Context, event int64) (time.Duration, error) {
	var took time.Duration
	err := poll(ctx, func() error {
		var settled bool
		err := s.DB.QueryRow(ctx, `
			select settle_revision > 0 and settled_revision = settle_revision,
				coalesce(clock_timestamp() - resulted_at, interval '0')
			from events where id = $1`, event).Scan(&settled, &took)
		if err == nil && !settled {
			err = fmt.Errorf("event %d is not settled", event)
		}
		return err
	})
	return took, err
}

// CheckSettled returns an error unless all bets on an event have a status and its payout, each
// wallet holds the stakes of its pending bets, and each balance equals the sum of its transfers.
func (s *System) CheckSettled(ctx context.Context, event int64, bets int, status SeededStatus) error {
	var right, wrongHeld, wrongBalance int
	err := s.DB.QueryRow(ctx, `
		with pending as (
			select user_id, sum(stake) as stakes from bets where status = 1 group by user_id
		), moved as (
			select user_id, sum(case when credit = 1 then amount when debit = 1 then -amount else 0 end) as balance
			from transfers group by user_id
		), paid as (
			select status, payout, stake * 185 / 100 as whole, stake * 185 % 100 as rest from bets where event_id = $1
		)
		select
			(select count(*) from paid where status = $2::smallint and payout = case when $2::smallint <> 2 then 0
				when rest > 50 or rest = 50 and whole % 2 = 1 then whole + 1 else whole end),
			(select count(*) from wallets left join pending using (user_id) where held <> coalesce(stakes, 0)),
			(select count(*) from wallets left join moved using (user_id) where wallets.balance <> coalesce(moved.balance, 0))`,
		event, int(status)).Scan(&right, &wrongHeld, &wrongBalance)
	switch {
	case err != nil:
		return fmt.Errorf("check event %d: %w", event, err)
	case right != bets || wrongHeld > 0 || wrongBalance > 0:
		return fmt.Errorf("event %d: %d of %d bets are settled correctly; %d wallets hold a wrong amount, and %d have a wrong balance",
			event, right, bets, wrongHeld, wrongBalance)
	}
	return nil
}

// UpdateBare settles bets without moving money, by one statement, and returns how long it took.
func UpdateBare(ctx context.Context, database string, event int64, bets int, status SeededStatus) (took time.Duration, err error) {
	err = withConn(ctx, database, func(conn *pgx.Conn) error {
		began := time.Now()
		tag, err := conn.Exec(ctx, `update bets set status = $2::smallint, payout = case
			when $2::smallint = 2 then stake * 185 / 100 else 0 end where event_id = $1`, event, int(status))
		took = time.Since(began)
		if err == nil && tag.RowsAffected() != int64(bets) {
			err = fmt.Errorf("%d rows were updated, not %d", tag.RowsAffected(), bets)
		}
		return err
	})
	return took, err
}

// ErrEventClosed is the refusal of a bet because its event is closed.
var ErrEventClosed = errors.New("event_closed")

// PlaceBet places a bet of 1.00 and returns its id. Errors: ErrEventClosed.
func (p *Process) PlaceBet(ctx context.Context, token string, event int64) (int64, error) {
	body := fmt.Appendf(nil, `{"event_id":%d,"amount":1.00}`, event)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/api/bets", bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("place a bet: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("place a bet: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, fmt.Errorf("place a bet: %w", err)
	}
	var answer struct {
		ID   int64  `json:"id"`
		Code string `json:"code"`
	}
	if err := json.Unmarshal(said, &answer); err != nil {
		return 0, fmt.Errorf("place a bet: %s %s: %w", response.Status, said, err)
	}
	switch {
	case response.StatusCode == http.StatusCreated:
		return answer.ID, nil
	case answer.Code == ErrEventClosed.Error():
		return 0, ErrEventClosed
	default:
		return 0, fmt.Errorf("place a bet: %s %s", response.Status, said)
	}
}

// BetStatus returns the status of a bet as the API shows it to its owner.
func (p *Process) BetStatus(ctx context.Context, token string, bet int64) (string, error) {
	var answer struct {
		Status string `json:"status"`
	}
	err := request(ctx, http.MethodGet, fmt.Sprintf("%s/api/bets/%d", p.URL, bet), token, "", &answer)
	return answer.Status, err
}
