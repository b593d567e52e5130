package postgres

import "context"

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
