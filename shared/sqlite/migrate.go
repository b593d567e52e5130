package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path"

	"github.com/pressly/goose/v3"
)

// schema is the schema that this program needs.
type schema struct {
	Options

	migrations *goose.Provider
	newest     int64 // version
}

func newSchema(db *sql.DB, o Options) (*schema, error) {
	migrations, err := goose.NewProvider(goose.DialectSQLite3, db, o.Migrations, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	sources := migrations.ListSources()
	return &schema{Options: o, migrations: migrations, newest: sources[len(sources)-1].Version}, nil
}

// versionOf returns the version that goose has stored in the file. It does not call goose, which would
// create a table for it.
func versionOf(ctx context.Context, db *sql.DB) (int64, error) {
	var tables, versioned int64
	err := db.QueryRowContext(ctx, "select count(*), count(*) filter (where name = '"+goose.DefaultTablename+"') from sqlite_schema").
		Scan(&tables, &versioned)
	if err != nil {
		return 0, err
	}
	if versioned == 0 {
		if tables > 0 {
			return 0, fmt.Errorf("%w: it has tables but no schema version", ErrDamaged)
		}
		return 0, nil
	}
	var version sql.NullInt64
	err = db.QueryRowContext(ctx, "select max(version_id) from "+goose.DefaultTablename).Scan(&version)
	return version.Int64, err
}

// accept returns an error if this program cannot use a schema of that version.
func (s *schema) accept(version int64) error {
	switch {
	case version > s.newest:
		return fmt.Errorf("%w: it has version %d, and this program supports up to %d", ErrSchemaNewer, version, s.newest)
	case version < s.newest && s.Guest:
		return fmt.Errorf("%w: it has version %d, and this program needs %d", ErrSchemaOlder, version, s.newest)
	}
	return nil
}

// migrate migrates the schema to the newest version.
func (s *schema) migrate(ctx context.Context) error {
	results, err := s.migrations.Up(ctx)
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		results = partial.Applied
	}
	for _, result := range results {
		s.Logger.InfoContext(ctx, "migrated the database",
			"file", s.File, "migration", path.Base(result.Source.Path), "took", result.Duration)
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
