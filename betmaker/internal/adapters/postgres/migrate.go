package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"stavka.local/betmaker/internal/ports"
	stavkasql "stavka.local/sql"
)

const (
	// migrationLock is the advisory lock under which schemas are changed. It is negative, because
	// the positive numbers are event ids.
	migrationLock = -1
	// Of several replicas that start together one changes the schema and the others wait for
	// it: they look every second, for as long as the longest migration may take.
	migrationLockPeriod = 1
	migrationLockTries  = 30 * 60
)

// ErrSchemaNewer is returned when the database has been migrated beyond what this program knows.
var ErrSchemaNewer = errors.New("the database's schema is newer than this program")

// Migration is a step of the schema.
type Migration struct {
	Version   int64
	Name      string
	AppliedAt time.Time // zero when it has not been applied
}

// Migrate brings the schema up to what this program knows. Any number of replicas may do
// so at once. Errors: ErrSchemaNewer, when nothing was changed; ports.ErrUnavailable,
// when the server cannot be reached; anything else means that a migration is broken, and
// it was rolled back.
func Migrate(ctx context.Context, config Config) error {
	return withMigrations(ctx, config, func(migrations *goose.Provider) error {
		results, err := migrations.Up(ctx)
		logMigrations(ctx, config, results)
		if err != nil {
			return fmt.Errorf("migrate up: %w", err)
		}
		// A newer replica may have been at it while this one waited for the lock.
		return refuseNewer(ctx, migrations)
	})
}

// MigrateDown takes the newest migration back, and with it the data that only it has
// room for. It is meant for development. The errors are those of Migrate.
func MigrateDown(ctx context.Context, config Config) error {
	return withMigrations(ctx, config, func(migrations *goose.Provider) error {
		result, err := migrations.Down(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("migrate down: %w", err)
		}
		logMigrations(ctx, config, []*goose.MigrationResult{result})
		return nil
	})
}

// Migrations returns the migrations that this program knows, in order, and whether they
// have been applied. The errors are those of Migrate.
func Migrations(ctx context.Context, config Config) ([]Migration, error) {
	var migrations []Migration
	err := withMigrations(ctx, config, func(provider *goose.Provider) error {
		statuses, err := provider.Status(ctx)
		if err != nil {
			return fmt.Errorf("migration status: %w", err)
		}
		for _, status := range statuses {
			migrations = append(migrations, Migration{
				Version:   status.Source.Version,
				Name:      path.Base(status.Source.Path),
				AppliedAt: status.AppliedAt,
			})
		}
		return nil
	})
	return migrations, err
}

// withMigrations calls do with the migrations on a database that is not newer than they are.
func withMigrations(ctx context.Context, config Config, do func(*goose.Provider) error) (err error) {
	config = config.withDefaults()
	settings, err := pgx.ParseConfig(plainURL(config.URL))
	if err != nil {
		return fmt.Errorf("database url: %w", err)
	}
	settings.ConnectTimeout = connectTimeout
	settings.RuntimeParams["application_name"] = applicationName + " migrate"
	settings.RuntimeParams["timezone"] = "UTC"
	// Migrations take the time that they need; only a lock that somebody does not give
	// back, and for which all others queue behind the migration, ends them.
	settings.RuntimeParams["statement_timeout"] = "0"
	settings.RuntimeParams["lock_timeout"] = "30s"

	db := stdlib.OpenDB(*settings)
	defer func() { err = errors.Join(err, db.Close()) }()
	migrations, err := newMigrations(db)
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if err := refuseNewer(ctx, migrations); err != nil {
		return interpretMigrationError(err)
	}
	return interpretMigrationError(do(migrations))
}

func newMigrations(db *sql.DB) (*goose.Provider, error) {
	locker, err := lock.NewPostgresSessionLocker(
		lock.WithLockID(migrationLock),
		lock.WithLockTimeout(migrationLockPeriod, migrationLockTries),
	)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, stavkasql.BetMakerPostgres,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
}

func refuseNewer(ctx context.Context, migrations *goose.Provider) error {
	is, knows, err := migrations.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if is > knows {
		return fmt.Errorf("%w: it has version %d, and this program knows up to %d", ErrSchemaNewer, is, knows)
	}
	return nil
}

func logMigrations(ctx context.Context, config Config, results []*goose.MigrationResult) {
	for _, result := range results {
		config.withDefaults().Logger.InfoContext(ctx, "migrated the database",
			"migration", path.Base(result.Source.Path), "direction", result.Direction, "took", result.Duration)
	}
}

func interpretMigrationError(err error) error {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return ports.ErrUnavailable.Because(err)
	}
	return err
}
