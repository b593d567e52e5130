package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/ports"
	sqlitefile "stavka.local/shared/sqlite"
	stavkasql "stavka.local/sql"
)

// application marks bet-maker's files: "SvBM".
const application = 0x5376424d

// Config names the file and how to open it.
type Config struct {
	// File is the path of the file. Open creates the file if it does not exist, but not its directory.
	File string
	// Guest opens a file that may be in use by the process that owns it. The schema is not migrated.
	Guest bool
	// Logger logs migrations; slog.Default() by default.
	Logger *slog.Logger
}

// Store is bet-maker's database.
type Store struct {
	ports.Stores

	db    *database
	guest bool
}

// Open opens the file and migrates its schema. It returns the errors of Open of shared/sqlite. ctx has
// no effect after Open has returned.
func Open(ctx context.Context, config Config) (*Store, error) {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	file, err := sqlitefile.Open(ctx, sqlitefile.Options{
		File: config.File, Application: application, Migrations: stavkasql.BetMakerSQLite, Guest: config.Guest, Logger: config.Logger,
	})
	if err != nil {
		return nil, err
	}
	db := &database{file: file, clock: clock{wall: time.Now}}
	if err := db.read(ctx, db.clock.begin); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: read the clock: %w", config.File, err), file.Close())
	}
	return &Store{
		Stores: ports.Stores{
			Placements:    &Placements{db: db, next: semaphore.NewWeighted(1)},
			Events:        &Events{db},
			Clock:         &Clock{db},
			Cursors:       &Cursors{db},
			Settlements:   &Settlements{db},
			Bets:          &Bets{db},
			Users:         &Users{db},
			LoginFailures: &LoginFailures{db},
			Wallets:       &Wallets{db},
			AuditLog:      &AuditLog{db},
			Ledger:        &Ledger{db},
		},
		db:    db,
		guest: config.Guest,
	}, nil
}

// Close closes the file. It does not wait for transactions: call it after the last one.
func (s *Store) Close() error {
	s.release()
	return s.db.file.Close()
}

// release writes the present reading of the clock instead of the reservation, so that the clock of the
// next process is not ahead. It is no loss if that fails.
func (s *Store) release() {
	if s.guest {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.db.file.Write(ctx, func(ctx context.Context, tx sqlitefile.Conn) error {
		return sqlitedb.New(tx).ReleaseClock(ctx, s.db.clock.now().UnixMicro())
	})
}

// Watch returns when the file is lost, see shared/sqlite, or when ctx ends.
func (s *Store) Watch(ctx context.Context) error { return s.db.file.Watch(ctx) }

// Ping returns nil if the file can be used, and ports.ErrUnavailable otherwise.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.db.file.Ping(ctx); err != nil {
		return ports.ErrUnavailable.Because(err)
	}
	return nil
}
