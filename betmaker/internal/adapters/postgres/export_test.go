package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Constraints are those whose names the adapter knows.
var Constraints = []string{constraintUsername, constraintEmail}

// SessionSettings are what every session of the adapter is set to.
var SessionSettings = sessionSettings(Config{}.withDefaults())

// PlacingSetting returns a setting of the sessions that place bets.
func (s *Store) PlacingSetting(ctx context.Context, name string) (value string, err error) {
	err = s.placing.QueryRow(ctx, "select current_setting($1)", name).Scan(&value)
	return value, err
}

// Connected returns how many connections have been made so far.
func (s *Store) Connected() int64 {
	return s.placing.Stat().NewConnsCount() + s.following.Stat().NewConnsCount() + s.rest.Stat().NewConnsCount()
}

// Execute runs a statement on a connection for the rest, as the service would.
func (s *Store) Execute(ctx context.Context, statement string) error {
	_, err := s.rest.Exec(ctx, statement)
	return err
}

// SendRound sends queries for a number each as one round of look-ups, and returns what became of each.
func (s *Store) SendRound(ctx context.Context, queries ...string) (numbers []int, errs []error) {
	numbers = make([]int, len(queries))
	round := make([]*lookup, len(queries))
	for i, query := range queries {
		round[i] = &lookup{query: query, take: func(rows pgx.Rows) (err error) {
			numbers[i], err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
			return err
		}}
	}
	s.lookups().send(ctx, round)
	for _, one := range round {
		errs = append(errs, one.err)
	}
	return numbers, errs
}

// LookUp looks for a number.
func (s *Store) LookUp(ctx context.Context, query string) (int, error) {
	return look(ctx, s.lookups(), func(rows pgx.Rows) (int, error) { return pgx.CollectExactlyOneRow(rows, pgx.RowTo[int]) }, query)
}

func (s *Store) lookups() *lookups {
	bets, _ := s.Bets.(*Bets)
	return bets.lookups
}
