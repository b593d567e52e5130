package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwt"
	"golang.org/x/sync/errgroup"
)

// Balance is a bettor's first balance in cents, more than a run can stake.
const Balance = 100_000_000_00

// Price is the coefficient of every event.
const Price = "1.85"

// Bettors are users with money and access tokens.
type Bettors struct {
	First  int64
	Tokens []string // of the users First, First+1, ...
}

// seedBettors inserts users as if an administrator had created them: a user, a wallet, and the
// transfer of its opening balance.
func seedBettors(ctx context.Context, db *pgxpool.Pool) (Bettors, error) {
	var first int64
	err := db.QueryRow(ctx, `
		with created as (
			insert into users (name, username, email, username_folded, email_folded, password_hash, role, created_at, updated_at)
			select 'Bettor', name, name || '@example.com', name, name || '@example.com', '', 1, now(), now()
			from (select 'bettor-' || generate_series(1, $1::integer) as name) as names
			returning id
		), opened as (
			insert into wallets (user_id, balance) select id, $2 from created order by id
		), paid as (
			insert into transfers (user_id, debit, credit, amount, kind, revision, at) select id, 4, 1, $2, 1, 0, now() from created order by id
		)
		select min(id) from created`, bettors, int64(Balance)).Scan(&first)
	if err != nil {
		return Bettors{}, fmt.Errorf("create users: %w", err)
	}
	return signIn(first)
}

// signIn returns the users from first on with new tokens.
func signIn(first int64) (Bettors, error) {
	b := Bettors{First: first, Tokens: make([]string, bettors)}
	for i := range b.Tokens {
		var err error
		if b.Tokens[i], err = signToken(first + int64(i)); err != nil {
			return Bettors{}, err
		}
	}
	return b, nil
}

// signToken returns a token like those that bet-maker issues.
func signToken(user int64) (string, error) {
	now := time.Now().Truncate(time.Second)
	claims, err := jwt.NewBuilder().
		Issuer("stavka/bet-maker").Audience([]string{"stavka/bet-maker"}).Subject(strconv.FormatInt(user, 10)).
		IssuedAt(now).NotBefore(now).Expiration(now.Add(24*time.Hour)).Claim("ver", 1).
		Build()
	if err != nil {
		return "", fmt.Errorf("create a token: %w", err)
	}
	signed, err := jwt.Sign(claims, jwt.WithKey(jwa.HS256, []byte(secretKey)))
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return string(signed), nil
}

// eventLife is longer than any measurement.
const eventLife = 30 * 24 * time.Hour

// OpenEvents adds events to the line and waits until bet-maker knows them. In a new system
// their ids are 1, 2, ...
func (s *System) OpenEvents(ctx context.Context, count int) error {
	var known int
	if err := s.DB.QueryRow(ctx, "select count(*) from events").Scan(&known); err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	group, limited := errgroup.WithContext(ctx)
	group.SetLimit(32)
	for range count {
		group.Go(func() error { _, err := s.OpenEvent(limited); return err })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return poll(ctx, func() error {
		var now int
		err := s.DB.QueryRow(ctx, "select count(*) from events").Scan(&now)
		if err == nil && now < known+count {
			err = fmt.Errorf("bet-maker knows %d of %d events", now, known+count)
		}
		return err
	})
}

// OpenEvent adds an event to the line and returns its id.
func (s *System) OpenEvent(ctx context.Context) (int64, error) {
	body := fmt.Sprintf(`{"coefficient":%s,"deadline":%d}`, Price, time.Now().Add(eventLife).Unix())
	var event struct {
		ID int64 `json:"event_id"`
	}
	err := s.LineRequest(ctx, http.MethodPost, "/event", body, &event)
	return event.ID, err
}

// SetState sets the state of an event: 2 won, 3 lost, 4 cancelled.
func (s *System) SetState(ctx context.Context, event int64, state int) error {
	body := fmt.Sprintf(`{"state":%d}`, state)
	return s.LineRequest(ctx, http.MethodPatch, fmt.Sprintf("/event/%d/status", event), body, nil)
}

// LineRequest sends a request to line-provider with the service token.
func (s *System) LineRequest(ctx context.Context, method, path, body string, into any) error {
	return request(ctx, method, s.LineProvider.URL+path, serviceToken, body, into)
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute}

func request(ctx context.Context, method, address, token, body string, into any) error {
	_, said, err := ask(ctx, method, address, token, body)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(said, into)
}

// ask returns the header and the body of an answer. It fails if the answer is not a success.
func ask(ctx context.Context, method, address, token, body string) (http.Header, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", method, address, err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", method, address, err)
	}
	defer func() { _ = response.Body.Close() }()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", method, address, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, nil, fmt.Errorf("%s %s: %s %s", method, address, response.Status, said)
	}
	return response.Header, said, nil
}
