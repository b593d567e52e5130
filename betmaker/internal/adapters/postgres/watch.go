package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"stavka.local/shared/wait"
)

const (
	watchInterval = time.Second
	// codeNoDatabase is the SQLSTATE of connecting to a database that does not exist.
	codeNoDatabase = "3D000"
)

// ErrLost means that the database was deleted or replaced while it was in use.
var ErrLost = errors.New("the database was deleted or replaced while it was in use")

// identity tells a database from another of the same name.
type identity struct {
	database, transfers int64 // object ids; 0 for none
	// hasFiles is false when the files of the database are gone. A server that has them open may acknowledge
	// transactions, which nobody will find.
	hasFiles bool
}

// pg_relation_size looks for the file by its name. A migrated database has a row in goose_db_version.
const identityQuery = `select (select oid from pg_database where datname = current_database())::bigint,
	coalesce(to_regclass('transfers')::oid::bigint, 0), coalesce(pg_relation_size(to_regclass('goose_db_version')), 0) > 0`

// Watch looks every second whether the database is still the one that it was at the call. It returns
// ErrLost if it is not, or nil when ctx ends. A server that does not answer is waited for.
func (s *Store) Watch(ctx context.Context) error {
	var first identity
	return wait.Every(ctx, watchInterval, func() error {
		now, err := s.identify(ctx)
		refused, ok := errors.AsType[*pgconn.PgError](err)
		switch {
		case err == nil && first == identity{}:
			first = now
		case err == nil && now != first:
			return fmt.Errorf("%w: it was %+v and is %+v", ErrLost, first, now)
		case first != identity{} && ok && refused.Code == codeNoDatabase:
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
		return nil
	})
}

func (s *Store) identify(ctx context.Context) (found identity, err error) {
	err = s.rest.readOn(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, identityQuery).Scan(&found.database, &found.transfers, &found.hasFiles)
	})
	return found, err
}
