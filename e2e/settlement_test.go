package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"stavka.local/api/client/betmaker"
	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/hangtest"
	"stavka.local/stavka/e2e/system"
)

const (
	// kills is how often bet-maker is killed while it settles the bets of one event.
	kills = 10
	// betsEach is the number of bets of one user. A wallet then occurs several times in one
	// chunk and again in the next. The opening balance pays for all.
	betsEach = 50
	// opening is the opening balance of a user in minor units.
	opening = 1000_00
)

// A settlement that is killed repeatedly settles every bet once, and every sum is exact.
func TestSettlementIsKilled(t *testing.T) { settleAndKill(t, system.Options{}) }

func TestEmbeddedSettlementIsKilled(t *testing.T) { settleAndKill(t, system.Options{Embedded: true}) }

// settleAndKill settles 50,000 bets. At full size it settles a million, also without kills for
// comparison, and again after a correction of the result. It measures, so it does not run in
// parallel with other tests.
func settleAndKill(t *testing.T, options system.Options) {
	t.Helper()
	if scaled(t, 10) < 10 {
		c := newCrowd(t, options, 50_000)
		c.win(kills)
		c.checkWon()
		return
	}
	const million = 1_000_000
	var undisturbed, killed time.Duration
	t.Run("undisturbed", func(t *testing.T) { undisturbed = newCrowd(t, options, million).win(0) })
	t.Run("killed", func(t *testing.T) {
		c := newCrowd(t, options, million)
		killed = c.win(kills)
		c.checkWon()
		c.correct(kills)
		c.checkCorrected()
	})
	if undisturbed > 0 && killed > 0 {
		t.Logf("killed %d times, settling a million bets took %.2f times as long", kills, killed.Seconds()/undisturbed.Seconds())
	}
}

// crowd is many bets of many users on one event. A user has placed the first; the others are
// copies with other users and stakes.
type crowd struct {
	t     *testing.T
	s     *system.System
	admin *system.User
	event int64
	bets  []int64 // in the order in which they were placed
	// The ids of the users are consecutive. The first user has the first bet and no other.
	firstUser, lastUser int64
}

// newCrowd starts a system with a crowd whose event has no result yet.
func newCrowd(t *testing.T, options system.Options, bets int) *crowd {
	t.Helper()
	// The log leaves out the many requests for the progress.
	options.Env = map[string]string{"OPENING_BALANCE": strconv.Itoa(opening / 100), "LOG_LEVEL": "warn"}
	s := start(t, options)
	c := &crowd{t: t, s: s, admin: s.Admin(t, 0), event: s.Line(t, 0).Create("1.45").EventID}
	user := s.NewUser(t, 0)
	first := user.Place(t, c.event, "1.00").ID
	c.firstUser, c.lastUser = user.ID, user.ID+int64(bets/betsEach)

	p := s.BetMakers[0].Process
	p.Stop()
	began := time.Now()
	c.use("rw", func(ctx context.Context, db *sql.DB) error { return c.fill(ctx, db, first, bets) })
	t.Logf("%d bets of %d users were written in %s", bets, bets/betsEach+1, time.Since(began).Round(time.Millisecond))
	p.Start()
	s.AwaitReady()
	return c
}

// fill writes all rows that placing the bets would have written, since placing a million takes
// too long. Columns that are equal in all bets are copied from the first.
func (c *crowd) fill(ctx context.Context, db *sql.DB, first int64, bets int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, step := range []struct {
		statement string
		arguments []any
	}{
		{`with recursive n (i) as (select 1 union all select i + 1 from n where i < $2)
		insert into users (name, username, email, username_folded, email_folded, password_hash, role, created_at, updated_at)
		select u.name, 'crowd-' || n.i, n.i || '@example.com', 'crowd-' || n.i, n.i || '@example.com',
		       u.password_hash, u.role, u.created_at, u.updated_at
		from n cross join users u where u.id = $1 order by n.i`, []any{c.firstUser, c.lastUser - c.firstUser}},
		{`insert into wallets (user_id, staked_day)
		select u.id, w.staked_day from users u cross join wallets w where w.user_id = $1 and u.id > $1`, []any{c.firstUser}},
		{`insert into transfers (user_id, debit, credit, amount, kind, revision, reference, at)
		select u.id, t.debit, t.credit, t.amount, t.kind, t.revision, t.reference, t.at
		from transfers t cross join users u where t.user_id = $1 and t.bet_id is null and u.id > $1 order by u.id`, []any{c.firstUser}},
		{`with recursive n (i) as (select 1 union all select i + 1 from n where i < $4)
		insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at, half_even)
		select $2 + n.i % $3, b.event_id, 100 + n.i * 7 % 1401, b.coefficient, b.event_version, b.accepted_at, b.half_even
		from n cross join bets b where b.id = $1 order by n.i`, []any{first, c.firstUser + 1, c.lastUser - c.firstUser, bets - 1}},
		{`insert into transfers (user_id, debit, credit, amount, kind, bet_id, revision, reference, at)
		select b.user_id, t.debit, t.credit, b.stake, t.kind, b.id, t.revision, t.reference, t.at
		from transfers t cross join bets b where t.bet_id = $1 and b.id > $1 order by b.id`, []any{first}},
		{`update wallets set balance = $2 - s.stakes, held = s.stakes, staked = s.stakes
		from (select user_id, sum(stake) as stakes from bets group by user_id) as s
		where wallets.user_id = s.user_id and s.user_id > $1`, []any{c.firstUser, opening}},
	} {
		if _, err := tx.ExecContext(ctx, step.statement, step.arguments...); err != nil {
			return fmt.Errorf("%w: %s", err, step.statement)
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	c.bets, err = query(ctx, db, func(scan func(...any) error) (id int64, err error) { return id, scan(&id) },
		`select id from bets where event_id = $1 order by id`, c.event)
	if len(c.bets) != bets {
		err = errors.Join(err, fmt.Errorf("there are %d bets, want %d", len(c.bets), bets))
	}
	return err
}

// user returns the user of a bet. stake and payout return its amounts; the payout is rounded
// down.
func (c *crowd) user(bet int) int64 {
	if bet == 0 {
		return c.firstUser
	}
	return c.firstUser + 1 + int64(bet)%(c.lastUser-c.firstUser)
}

func (c *crowd) stake(bet int) int64 { return 100 + int64(bet)*7%1401 }

func (c *crowd) payout(bet int) int64 { return c.stake(bet) * 145 / 100 }

// win settles the bets as won while bet-maker is killed a number of times. It returns how long
// settling took.
func (c *crowd) win(kills int) time.Duration {
	c.t.Helper()
	return c.settle(lineprovider.NewState{State: lineprovider.EventStateFinishedWin}, betmaker.BetStatusWon, kills)
}

// correct settles the won bets again as lost.
func (c *crowd) correct(kills int) {
	c.t.Helper()
	c.settle(lineprovider.NewState{State: lineprovider.EventStateFinishedLose, Reason: new("the goal did not count")},
		betmaker.BetStatusLost, kills)
}

// sums returns the sum of all stakes and of all payouts of won bets.
func (c *crowd) sums() (stakes, payouts int64) {
	for bet := range c.bets {
		stakes, payouts = stakes+c.stake(bet), payouts+c.payout(bet)
	}
	return stakes, payouts
}

func (c *crowd) checkWon() {
	c.t.Helper()
	stakes, payouts := c.sums()
	balances := c.balances()
	for bet := range c.bets {
		balances[c.user(bet)] += c.payout(bet)
	}
	c.check(expected{
		status: 2, revision: 1, payout: c.payout,
		moves: map[move]total{
			{wallet, escrow, "stake", 0}:  {len(c.bets), stakes},
			{escrow, wallet, "payout", 1}: {len(c.bets), stakes},
			{house, wallet, "payout", 1}:  {len(c.bets), payouts - stakes},
		},
		house: stakes - payouts, balances: balances,
	})
}

func (c *crowd) checkCorrected() {
	c.t.Helper()
	stakes, payouts := c.sums()
	c.check(expected{
		status: 3, revision: 2, payout: func(int) int64 { return 0 },
		moves: map[move]total{
			{wallet, escrow, "stake", 0}:     {len(c.bets), stakes},
			{escrow, wallet, "payout", 1}:    {len(c.bets), stakes},
			{house, wallet, "payout", 1}:     {len(c.bets), payouts - stakes},
			{wallet, house, "correction", 2}: {len(c.bets), payouts},
		},
		house: stakes, balances: c.balances(),
	})
}

// balances returns the balances of the users without payouts.
func (c *crowd) balances() map[int64]int64 {
	balances := make(map[int64]int64)
	for user := c.firstUser; user <= c.lastUser; user++ {
		balances[user] = opening
	}
	for bet := range c.bets {
		balances[c.user(bet)] -= c.stake(bet)
	}
	return balances
}

// settle gives the event a result and kills bet-maker at moments spread over the settling. It
// returns how long it took until every bet followed.
func (c *crowd) settle(result lineprovider.NewState, want betmaker.BetStatus, kills int) time.Duration {
	c.t.Helper()
	p := c.s.BetMakers[0].Process
	began := time.Now()
	set, err := c.s.Line(c.t, 0).API.SetEventStateWithResponse(c.t.Context(), c.event, nil, result)
	if err != nil || set.JSON200 == nil {
		c.t.Fatalf("set event %d to %+v: %v %+v", c.event, result, err, set)
	}
	for kill := range kills {
		c.await(len(c.bets)*(5+9*kill)/100, want)
		p.Kill()
		killed := time.Now()
		behind := c.behind()
		c.t.Logf("kill %d: %d of %d bets are %s", kill+1, len(c.bets)-behind, len(c.bets), want)
		if behind == 0 {
			c.t.Errorf("kill %d came after the last bet was settled", kill+1)
		}
		began = began.Add(time.Since(killed)) // the test has spent this time
		p.Start()
	}
	c.await(len(c.bets)-1, want)
	took := time.Since(began)
	c.t.Logf("%d bets were %s after %s and %d kills, under the race detector: %.0f bets/s",
		len(c.bets), want, took.Round(time.Millisecond), kills, float64(len(c.bets))/took.Seconds())
	c.s.AwaitReady()
	system.Eventually(c.t, time.Minute, "every bet follows", func() error {
		if behind := c.behind(); behind > 0 {
			return fmt.Errorf("%d do not", behind)
		}
		return nil
	})
	return took
}

// await waits until bet-maker answers that a bet has a status. The bets before it then have it
// too, because bets are settled in order. bet-maker may be starting.
func (c *crowd) await(bet int, want betmaker.BetStatus) {
	c.t.Helper()
	within := time.Duration(scaled(c.t, 10)) * 2 * time.Minute
	hangtest.Exempt(func() {
		system.Eventually(c.t, within, fmt.Sprintf("bet %d of %d is %s", bet+1, len(c.bets), want), func() error { return c.follows(bet, want) })
	})
}

// follows returns nil when bet-maker answers that a bet has a status.
func (c *crowd) follows(bet int, want betmaker.BetStatus) error {
	c.t.Helper()
	if !c.s.BetMakers[0].Running() {
		c.t.Fatal("bet-maker has ended unexpectedly")
	}
	got, err := c.admin.API.GetBetWithResponse(c.t.Context(), c.bets[bet])
	switch {
	case err != nil:
		return err
	case got.JSON200 == nil:
		return fmt.Errorf("the answer is %s", got.Body)
	case got.JSON200.Status != want:
		return fmt.Errorf("it is %s", got.JSON200.Status)
	}
	return nil
}

// behind returns the number of bets that do not follow the result yet.
func (c *crowd) behind() (bets int) {
	c.t.Helper()
	c.use("ro", func(ctx context.Context, db *sql.DB) error {
		return db.QueryRowContext(ctx, `
			select count(*) from bets
			where event_id = $1 and settle_revision < (select settle_revision from events where id = $1)`, c.event).Scan(&bets)
	})
	return bets
}

// The accounts between which money moves, as they are stored.
const (
	wallet = 1
	escrow = 2
	house  = 3
)

// kinds are the transfers of bets, as they are stored.
var kinds = map[int]string{4: "stake", 5: "payout", 8: "correction"}

// move is a kind of transfer of a bet: from which account, to which, and why.
type move struct {
	from, to int
	kind     string
	revision int64
}

// total is the number of transfers and their sum.
type total struct {
	transfers int
	amount    int64
}

// expected is the expected content of the database when all bets are settled.
type expected struct {
	status   int
	revision int64
	payout   func(bet int) int64
	moves    map[move]total
	house    int64
	balances map[int64]int64
}

// check compares the database with want, and runs the ledger check of Stavka.
func (c *crowd) check(want expected) {
	c.t.Helper()
	began := time.Now()
	c.use("ro", func(ctx context.Context, db *sql.DB) error {
		return errors.Join(c.checkBets(ctx, db, want), c.checkMoves(ctx, db, want),
			c.checkWallets(ctx, db, want), c.checkSharedAccounts(ctx, db, want))
	})
	looked := time.Now()
	said, err := c.s.BetMakers[0].Command("ledger", "verify")
	if err != nil {
		c.t.Errorf("the ledger check: %v\n%s", err, said)
	}
	c.t.Logf("checked by the test in %s, by \"ledger verify\" in %s", looked.Sub(began).Round(time.Millisecond), time.Since(looked).Round(time.Millisecond))
}

// checkBets checks the status, payout and revision of every bet.
func (c *crowd) checkBets(ctx context.Context, db *sql.DB, want expected) error {
	type bet struct {
		id, user, stake, payout, revision int64
		status                            int
	}
	got, err := query(ctx, db, func(scan func(...any) error) (b bet, err error) {
		return b, scan(&b.id, &b.user, &b.stake, &b.payout, &b.revision, &b.status)
	}, `select id, user_id, stake, coalesce(payout, -1), settle_revision, status from bets order by id`)
	if err != nil {
		return err
	}
	if len(got) != len(c.bets) {
		c.t.Errorf("there are %d bets, want %d", len(got), len(c.bets))
		return nil
	}
	wrong := 0
	for i := range got {
		want := bet{c.bets[i], c.user(i), c.stake(i), want.payout(i), want.revision, want.status}
		if got[i] == want {
			continue
		}
		if wrong++; wrong <= 10 {
			c.t.Errorf("a bet is %+v, want %+v", got[i], want)
		}
	}
	if wrong > 0 {
		c.t.Errorf("%d bets are wrong", wrong)
	}
	return nil
}

// checkMoves checks the transfers of the bets. A bet and revision can have only one transfer
// between two accounts, so as many transfers as bets means one for each bet.
func (c *crowd) checkMoves(ctx context.Context, db *sql.DB, want expected) error {
	type moved struct {
		move
		total
	}
	rows, err := query(ctx, db, func(scan func(...any) error) (m moved, err error) {
		var kind int
		err = scan(&m.from, &m.to, &kind, &m.revision, &m.transfers, &m.amount)
		m.kind = kinds[kind]
		return m, err
	}, `select debit, credit, kind, revision, count(*), cast(sum(amount) as bigint)
		from transfers where bet_id is not null group by debit, credit, kind, revision`)
	got := make(map[move]total)
	for _, row := range rows {
		got[row.move] = row.total
	}
	if !maps.Equal(got, want.moves) {
		c.t.Errorf("the transfers of bets are %+v, want %+v", got, want.moves)
	}
	return err
}

// checkWallets checks every wallet, and that it is equal to the sum of its user's transfers.
func (c *crowd) checkWallets(ctx context.Context, db *sql.DB, want expected) error {
	type row struct{ user, balance, held, debt, fromTransfers, heldFromTransfers int64 }
	rows, err := query(ctx, db, func(scan func(...any) error) (r row, err error) {
		return r, scan(&r.user, &r.balance, &r.held, &r.debt, &r.fromTransfers, &r.heldFromTransfers)
	}, `select w.user_id, w.balance, w.held, w.debt,
		       cast(coalesce(sum(case when t.credit = 1 then t.amount when t.debit = 1 then -t.amount end), 0) as bigint),
		       cast(coalesce(sum(case when t.credit = 2 then t.amount when t.debit = 2 then -t.amount end), 0) as bigint)
		from wallets w left join transfers t on t.user_id = w.user_id
		where w.user_id >= $1
		group by w.user_id, w.balance, w.held, w.debt`, c.firstUser)
	if len(rows) != len(want.balances) {
		c.t.Errorf("there are %d wallets, want %d", len(rows), len(want.balances))
	}
	wrong := 0
	for _, got := range rows {
		balance := want.balances[got.user]
		want := row{user: got.user, balance: balance, fromTransfers: balance}
		if got == want {
			continue
		}
		if wrong++; wrong <= 10 {
			c.t.Errorf("a wallet is %+v, want %+v", got, want)
		}
	}
	if wrong > 0 {
		c.t.Errorf("%d wallets are wrong", wrong)
	}
	return err
}

// checkSharedAccounts checks that the escrow is empty and that the house has paid.
func (c *crowd) checkSharedAccounts(ctx context.Context, db *sql.DB, want expected) error {
	var inEscrow, inHouse int64
	err := db.QueryRowContext(ctx, `
		select cast(sum(case when credit = 2 then amount when debit = 2 then -amount else 0 end) as bigint),
		       cast(sum(case when credit = 3 then amount when debit = 3 then -amount else 0 end) as bigint)
		from transfers`).Scan(&inEscrow, &inHouse)
	if inEscrow != 0 || inHouse != want.house {
		c.t.Errorf("escrow has %d, want 0; the house has %d, want %d", inEscrow, inHouse, want.house)
	}
	return err
}

// use connects to bet-maker's database, in PostgreSQL or a file, for one use only: nothing
// must hold a file when the process that owns it is killed. mode is how a file is opened; a
// read-only connection does not clean up what a killed process has left.
func (c *crowd) use(mode string, do func(context.Context, *sql.DB) error) {
	c.t.Helper()
	driver, source := "pgx", strings.Replace(c.s.Env["DATABASE_URL"], "+asyncpg", "", 1)
	if c.s.Embedded {
		driver, source = "sqlite", "file:"+c.s.File("betmaker.db")+"?mode="+mode+"&_pragma=busy_timeout(30000)&_pragma=foreign_keys(1)"
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Minute)
	defer cancel()
	db, err := sql.Open(driver, source)
	if err != nil {
		c.t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	hangtest.Exempt(func() { err = errors.Join(do(ctx, db), db.Close()) })
	if err != nil {
		c.t.Fatalf("use bet-maker's database: %v", err)
	}
}

// query returns the rows of a statement. read scans one row.
func query[T any](
	ctx context.Context, db *sql.DB, read func(scan func(...any) error) (T, error), statement string, arguments ...any,
) (all []T, err error) {
	rows, err := db.QueryContext(ctx, statement, arguments...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		row, err := read(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}
