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
	// migrationLock is the advisory lock of migrations. It is negative because positive keys are event
	// ids.
	migrationLock = -1
	// If several replicas start together, one migrates and the others wait for it. They check every
	// second, for as long as the longest migration may take.
	migrationLockPeriod = 1
	migrationLockTries  = 30 * 60
)

// ErrSchemaNewer is returned when the database's schema is newer than this program's migrations.
var ErrSchemaNewer = errors.New("the database's schema is newer than this program")

// Migration is one migration of the schema.
type Migration struct {
	Version   int64
	Name      string
	AppliedAt time.Time // zero if it has not been applied
}

// Migrate applies all migrations that are missing. Any number of replicas may call it at once.
// Errors:
//   - ErrSchemaNewer: nothing was changed;
//   - ports.ErrUnavailable: the server cannot be reached;
//   - any other error: a migration is broken and was rolled back.
func Migrate(ctx context.Context, config Config) error {
	return withMigrations(ctx, config, func(migrations *goose.Provider) error {
		results, err := migrations.Up(ctx)
		logMigrations(ctx, config, results)
		if err != nil {
			return fmt.Errorf("migrate up: %w", err)
		}
		// A newer replica may have migrated while this one waited for the lock.
		return refuseNewer(ctx, migrations)
	})
}

// MigrateDown reverts the newest migration and deletes the data that only it can hold. It is for
// development. The errors are those of Migrate.
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

// Migrations returns the migrations of this program, in order, and whether they have been applied.
// The errors are those of Migrate.
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

// withMigrations calls do with the migrations, unless the database's schema is newer.
func withMigrations(ctx context.Context, config Config, do func(*goose.Provider) error) (err error) {
	config = config.withDefaults()
	settings, err := pgx.ParseConfig(plainURL(config.URL))
	if err != nil {
		return errDatabaseURL
	}
	settings.ConnectTimeout = connectTimeout
	settings.RuntimeParams["application_name"] = applicationName + " migrate"
	settings.RuntimeParams["timezone"] = "UTC"
	// Migrations may take any time. Only the wait for a lock is bounded, because all other transactions
	// queue behind a migration that waits.
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
	version, newest, err := migrations.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if version > newest {
		return fmt.Errorf("%w: it has version %d, the program has version %d", ErrSchemaNewer, version, newest)
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
