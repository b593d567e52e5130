package sqlite

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"

	"stavka.local/betmaker/internal/ports"
	sqlitefile "stavka.local/shared/sqlite"
	stavkasql "stavka.local/sql"
)

// application marks bet-maker's files: "SvBM".
const application = 0x5376424d

// Config says in which file to keep everything, and how to open it.
type Config struct {
	// File is the path of the file. It is made when it does not exist; its directory is not.
	File string
	// Guest: the file may be in use by the process that it belongs to. Its schema is left as it is.
	Guest bool
	// Logger is told of migrations; slog.Default() by default.
	Logger *slog.Logger
}

// Store is bet-maker's database. Each member implements the port of its name.
type Store struct {
	Placements    *Placements
	Events        *Events
	Cursors       *Cursors
	Settlements   *Settlements
	Bets          *Bets
	Users         *Users
	LoginFailures *LoginFailures
	Wallets       *Wallets
	AuditLog      *AuditLog
	Ledger        *Ledger

	db *database
}

var (
	_ ports.Placements    = (*Placements)(nil)
	_ ports.Events        = (*Events)(nil)
	_ ports.Cursors       = (*Cursors)(nil)
	_ ports.Settlements   = (*Settlements)(nil)
	_ ports.Bets          = (*Bets)(nil)
	_ ports.Users         = (*Users)(nil)
	_ ports.LoginFailures = (*LoginFailures)(nil)
	_ ports.Wallets       = (*Wallets)(nil)
	_ ports.AuditLog      = (*AuditLog)(nil)
	_ ports.Ledger        = (*Ledger)(nil)
)

// Open opens the file and brings its schema up to date. The errors are those of the Open
// of shared/sqlite. ctx bounds nothing after Open has returned.
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
	return &Store{
		Placements:    &Placements{db: db, next: semaphore.NewWeighted(1)},
		Events:        &Events{db},
		Cursors:       &Cursors{db},
		Settlements:   &Settlements{db},
		Bets:          &Bets{db},
		Users:         &Users{db},
		LoginFailures: &LoginFailures{db},
		Wallets:       &Wallets{db},
		AuditLog:      &AuditLog{db},
		Ledger:        &Ledger{db},
		db:            db,
	}, nil
}

// Close closes the file. It waits for nobody: close after the last use.
func (s *Store) Close() error { return s.db.file.Close() }

// Ping tells whether the file can be read, and may be written: nil or ports.ErrUnavailable.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.db.file.Ping(ctx); err != nil {
		return ports.ErrUnavailable.Because(err)
	}
	return nil
}
