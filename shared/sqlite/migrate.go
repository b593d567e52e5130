package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"path"

	"github.com/pressly/goose/v3"
)

// migrate brings the schema up to what this program knows. A guest only looks.
func migrate(ctx context.Context, db *sql.DB, o Options) error {
	migrations, err := goose.NewProvider(goose.DialectSQLite3, db, o.Migrations, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	is, knows, err := migrations.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	switch {
	case is > knows:
		return fmt.Errorf("%w: it has version %d, and this program knows up to %d", ErrSchemaNewer, is, knows)
	case is < knows && o.Guest:
		return fmt.Errorf("%w: it has version %d, and this program wants %d", ErrSchemaOlder, is, knows)
	}
	results, err := migrations.Up(ctx)
	for _, result := range results {
		o.Logger.InfoContext(ctx, "migrated the database",
			"file", o.File, "migration", path.Base(result.Source.Path), "took", result.Duration)
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
