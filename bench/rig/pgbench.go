package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// PlaceStatement places a bet as a simple service would, in one statement and transaction:
// the fence, the event, the wallet, the bet, its transfer and the verdict for its key.
const PlaceStatement = `\set user random(:first, :last)
\set event random(1, :events)
\set stake random(100, 5000)
\set key random(1, 9000000000000000000)
with wallet as materialized (
    select user_id from wallets where user_id = :user::bigint and open and balance >= :stake::bigint for no key update
), fence as materialized (
    select pg_advisory_xact_lock_shared(:event::bigint) from wallet
), event as materialized (
    select e.id, e.coefficient, e.version, e.settle_revision
    from fence, events e
    where e.id = :event::bigint and e.state = 1 and not e.suspended and not e.quarantined and e.deadline > clock_timestamp()
), paid as (
    update wallets w
    set balance = w.balance - :stake::bigint, held = w.held + :stake::bigint, staked = w.staked + :stake::bigint
    from wallet, event
    where w.user_id = wallet.user_id
    returning w.user_id
), bet as (
    insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at, settle_revision)
    select paid.user_id, event.id, :stake::bigint, event.coefficient, event.version, clock_timestamp(), event.settle_revision
    from paid, event
    returning *
), moved as (
    insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, reference, at)
    select user_id, 1, 2, stake, 4, id, settle_revision, 'event ' || event_id || ' v' || event_version || ' @ 1.85', accepted_at
    from bet
)
insert into verdicts (user_id, operation, key, fingerprint, bet_id, request_id, decided_at)
select user_id, 1, :key::text, sha256(int8send(:key::bigint)), id, 'pgbench-' || :key::text, accepted_at
from bet;
`

// Pgbench is a script for pgbench with its variables.
type Pgbench struct {
	Script    string
	Variables map[string]int64
	Clients   int
}

var (
	transactionsPerSecond = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)
	failedTransactions    = regexp.MustCompile(`(?m)^number of failed transactions: ([0-9]+)`)
)

// Pgbench runs the script as prepared statements and returns the number of transactions per
// second.
func (r *Rig) Pgbench(ctx context.Context, database string, p Pgbench, duration time.Duration) (float64, error) {
	program, err := pgbenchProgram()
	if err != nil {
		return 0, err
	}
	script := filepath.Join(r.directory, "script.sql")
	if err := os.WriteFile(script, []byte(p.Script), 0o600); err != nil {
		return 0, fmt.Errorf("write pgbench's script: %w", err)
	}
	arguments := []string{
		"--no-vacuum", "--protocol", "prepared", "--client", strconv.Itoa(p.Clients), "--jobs", "2",
		"--time", strconv.Itoa(max(1, int(duration.Seconds()))), "--file", script,
	}
	for name, value := range p.Variables {
		arguments = append(arguments, "--define", fmt.Sprintf("%s=%d", name, value))
	}
	said, err := output(exec.CommandContext(ctx, program, append(arguments, database)...))
	if err != nil {
		return 0, err
	}
	if failed := failedTransactions.FindStringSubmatch(said); failed != nil && failed[1] != "0" {
		return 0, fmt.Errorf("pgbench had failures:\n%s", said)
	}
	found := transactionsPerSecond.FindStringSubmatch(said)
	if found == nil {
		return 0, fmt.Errorf("pgbench printed no rate:\n%s", said)
	}
	return strconv.ParseFloat(found[1], 64)
}

// pgbenchProgram returns the path of pgbench, from PATH or Debian's directory.
func pgbenchProgram() (string, error) {
	if program, err := exec.LookPath("pgbench"); err == nil {
		return program, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("pgbench, which comes with PostgreSQL, is not installed (%w)", err)
	}
	return found[len(found)-1], nil
}
