package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
)

// Constraints are the names of constraints that the adapter knows.
var Constraints = []string{constraintUsername, constraintEmail}

// SessionSettings are the settings of every session of the adapter.
var SessionSettings = sessionSettings(Config{}.withDefaults())

// PlacingSetting returns a setting of the sessions that place bets.
func (s *Store) PlacingSetting(ctx context.Context, name string) (value string, err error) {
	err = s.placing.QueryRow(ctx, "select current_setting($1)", name).Scan(&value)
	return value, err
}

// Connected returns how many connections have been opened so far.
func (s *Store) Connected() int64 {
	return s.placing.Stat().NewConnsCount() + s.following.Stat().NewConnsCount() + s.rest.Stat().NewConnsCount()
}

// Execute runs a statement on a connection of the pool for the rest, as the service does.
func (s *Store) Execute(ctx context.Context, statement string) error {
	_, err := s.rest.Exec(ctx, statement)
	return err
}

// SendRound sends queries for a number each as one round of look-ups, and returns the result of each.
func (s *Store) SendRound(ctx context.Context, queries ...string) (numbers []int, errs []error) {
	numbers = make([]int, len(queries))
	round := make([]*lookup, len(queries))
	for i, query := range queries {
		round[i] = &lookup{call: func(ctx context.Context, db pgdb.DBTX) (err error) {
			numbers[i], err = number(ctx, db, query)
			return err
		}}
	}
	s.lookups().send(ctx, round)
	for _, one := range round {
		errs = append(errs, one.err)
	}
	return numbers, errs
}

// LookUp looks up a number.
func (s *Store) LookUp(ctx context.Context, query string) (int, error) {
	found := new(int)
	err := s.lookups().do(ctx, func(ctx context.Context, db pgdb.DBTX) (err error) {
		*found, err = number(ctx, db, query)
		return err
	})
	if err != nil {
		return 0, err
	}
	return *found, nil
}

func number(ctx context.Context, db pgdb.DBTX, query string) (int, error) {
	rows, err := db.Query(ctx, query)
	if err != nil {
		return 0, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowTo[int])
}

func (s *Store) lookups() *lookups {
	bets, _ := s.Bets.(*Bets)
	return bets.lookups
}
