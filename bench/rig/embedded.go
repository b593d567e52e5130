package rig

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite" // the driver
)

// Embedded is Stavka as one process that keeps everything in SQLite files.
type Embedded struct {
	*Process // its URL is bet-maker's

	Bettors Bettors

	directory       string // of the data
	lineProviderURL string
}

// NewEmbedded starts the embedded shape on an empty directory, with 100,000 users and open
// events with the ids 1, 2, ...
func (r *Rig) NewEmbedded(ctx context.Context, name string, events int, o Options) (*Embedded, error) {
	e := &Embedded{directory: filepath.Join(r.directory, name)}
	if err := os.Mkdir(e.directory, 0o700); err != nil {
		return nil, fmt.Errorf("create a directory: %w", err)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	lineProvider, err := freeAddress()
	if err != nil {
		return nil, err
	}
	e.lineProviderURL = "http://" + lineProvider
	env := map[string]string{
		"DATA_DIR":            e.directory,
		"BETMAKER_ADDR":       address,
		"LINEPROVIDER_ADDR":   lineProvider,
		"SECRET_KEY":          secretKey,
		"LINE_PROVIDER_TOKEN": serviceToken,
		"CACHE_MAX_SIZE":      "100000",
		"LOG_LEVEL":           "warn",
		// As in NewSystem.
		"LEDGER_CHECK_INTERVAL": "0",
		// All connections come from one address, and some loads from few users.
		"MAX_CONNECTIONS":             "0",
		"MAX_CONNECTIONS_PER_ADDRESS": "0",
		"USER_REQUESTS_PER_SECOND":    "0",
		"USER_BETS_PER_SECOND":        "0",
	}
	maps.Copy(env, o.Env)
	program := cmp.Or(o.Program, filepath.Join(r.bin(), "stavka"))
	start := func() (err error) {
		log := filepath.Join(r.directory, name+".log")
		e.Process, err = startProcess(ctx, program, address, log, maps.Clone(env))
		return err
	}
	r.Log.Printf("%s: creating %d users and %d events", name, bettors, events)
	if err := start(); err != nil {
		return nil, err
	}
	// The process locks the file. When it is ready again, it has read all events.
	if err := errors.Join(e.openEvents(ctx, events), e.Stop()); err != nil {
		return nil, err
	}
	if e.Bettors, err = e.seedBettors(ctx); err != nil {
		return nil, err
	}
	if err := start(); err != nil {
		return nil, err
	}
	r.onClose(func() error { return e.Stop() })
	return e, e.AwaitSealed(ctx)
}

func (e *Embedded) openEvents(ctx context.Context, count int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(32)
	for range count {
		group.Go(func() error {
			body := fmt.Sprintf(`{"coefficient":%s,"deadline":%d}`, Price, time.Now().Add(eventLife).Unix())
			return request(ctx, http.MethodPost, e.lineProviderURL+"/event", serviceToken, body, nil)
		})
	}
	return group.Wait()
}

// seedBettors creates the same users as the function of that name for PostgreSQL.
func (e *Embedded) seedBettors(ctx context.Context) (Bettors, error) {
	var b Bettors
	err := e.withFile(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, "select max(id) + 1 from users").Scan(&b.First); err != nil {
			return fmt.Errorf("create users: %w", err)
		}
		now := time.Now().UnixMicro()
		const numbers = "with recursive numbers (n) as (select @first union all select n + 1 from numbers where n < @last) "
		for _, insert := range []string{
			`insert into users (id, name, username, email, username_folded, email_folded, password_hash, role, created_at, updated_at)
			select n, 'Bettor', name, name || '@example.com', name, name || '@example.com', '', 1, @now, @now
			from (select n, 'bettor-' || n as name from numbers)`,
			`insert into wallets (user_id, balance) select n, @balance from numbers`,
			`insert into transfers (user_id, debit, credit, amount, kind, revision, at) select n, 4, 1, @balance, 1, 0, @now from numbers`,
		} {
			_, err := tx.ExecContext(ctx, numbers+insert,
				sql.Named("first", b.First), sql.Named("last", b.First+bettors-1), sql.Named("balance", int64(Balance)), sql.Named("now", now))
			if err != nil {
				return fmt.Errorf("create users: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return Bettors{}, err
	}
	return signIn(b.First)
}

// AwaitSealed waits until all transfers are sealed.
func (e *Embedded) AwaitSealed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	return poll(ctx, func() error {
		var left int64
		err := e.withFile(ctx, func(tx *sql.Tx) error {
			return tx.QueryRowContext(ctx, `
				select coalesce((select max(id) from transfers), 0) - coalesce((select max(last_transfer) from seals), 0)`).Scan(&left)
		})
		if err == nil && left > 0 {
			err = fmt.Errorf("%d transfers are not sealed", left)
		}
		return err
	})
}

// withFile runs a transaction on bet-maker's file directly.
func (e *Embedded) withFile(ctx context.Context, do func(*sql.Tx) error) error {
	file := url.URL{Scheme: "file", Opaque: filepath.Join(e.directory, "betmaker.db"), RawQuery: "mode=rw&_pragma=busy_timeout(5000)"}
	db, err := sql.Open("sqlite", file.String())
	if err != nil {
		return fmt.Errorf("open bet-maker's file: %w", err)
	}
	defer func() { _ = db.Close() }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("open bet-maker's file: %w", err)
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
