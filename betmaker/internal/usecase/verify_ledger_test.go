package usecase_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// The ids of the rows in the file that the tests of tampering change.
const (
	anna, boris, clara = 1, 2, 3 // users

	won, lost, voided, cancelled, pending = 1, 2, 3, 4, 5 // bets; the last two are on event 4

	// Transfers have even ids, because PostgreSQL leaves gaps. These two are sealed.
	opening, staked = 2, 8
)

// unsealed are the transfers without a seal.
const unsealed = "id > (select max(last_transfer) from seals)"

// ledgerFile is a file with every kind of movement: openings, payments, bets that were won, lost,
// corrected into debt, voided and cancelled, and one that is pending. The last transfers are not
// sealed.
type ledgerFile struct {
	path  string
	head  domain.Seal
	store *sqlite.Store
}

func newLedgerFile(t *testing.T) *ledgerFile {
	t.Helper()
	f := &ledgerFile{path: filepath.Join(t.TempDir(), "betmaker.db")}
	f.open(t)
	for _, user := range []struct{ name, opening string }{{"anna", "100.00"}, {"boris", "50.00"}, {"clara", "0.00"}} {
		_, err := f.store.Users.Create(t.Context(), ports.NewUser{
			Credentials: ports.Credentials{
				User:         domain.User{Name: user.name, Username: user.name, Email: user.name + "@example.com", Role: domain.RoleUser, Active: true},
				PasswordHash: "x",
			},
			Opening: money.MustParse(user.opening),
		})
		fatal(t, err)
	}
	f.pay(t, clara, domain.TransferDeposit, "70.00")
	for _, event := range []domain.EventID{1, 2, 3, 4} {
		f.change(t, event, domain.StateNew)
	}
	f.place(t, anna, 1, "10.00")
	f.place(t, boris, 2, "20.00")
	f.place(t, clara, 3, "30.00")
	f.place(t, clara, 4, "5.00")
	f.result(t, 1, domain.StateFinishedWin)
	f.result(t, 2, domain.StateFinishedWin)
	f.pay(t, boris, domain.TransferWithdrawal, "75.00")
	f.result(t, 2, domain.StateFinishedLose)
	f.pay(t, boris, domain.TransferDeposit, "15.00")
	f.void(t, 3)
	f.cancel(t, cancelled)
	f.place(t, anna, 4, "1.00")
	f.spread(t)
	f.seal(t)
	f.pay(t, anna, domain.TransferDeposit, "2.00")
	f.place(t, anna, 4, "3.00")
	fatal(t, f.store.Close())
	return f
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (f *ledgerFile) open(t *testing.T) {
	t.Helper()
	var err error
	f.store, err = sqlite.Open(t.Context(), sqlite.Config{File: f.path, Logger: quiet})
	fatal(t, err)
}

func (f *ledgerFile) pay(t *testing.T, user domain.UserID, kind domain.TransferKind, amount string) {
	t.Helper()
	payment := domain.Payment{UserID: user, Kind: kind, Amount: money.MustParse(amount), Reference: "cash", IdempotencyKey: kind.String() + amount}
	payment.By = anna
	decision, err := f.store.Wallets.Pay(t.Context(), payment, func(set domain.PaymentSet) domain.PaymentDecision { return set.Decide(payment) })
	if err != nil || !decision.Refusal.IsZero() {
		t.Fatalf("pay: %v %+v", err, decision.Refusal)
	}
}

// change sets the state of an event on the line.
func (f *ledgerFile) change(t *testing.T, id domain.EventID, state domain.State) {
	t.Helper()
	fatal(t, f.store.Events.Update(t.Context(), []domain.EventID{id}, func(now time.Time, known map[domain.EventID]domain.Event) []domain.Event {
		event := known[id]
		change := domain.LineEvent{
			ID: id, Dataset: "a", Seq: event.Seq + 1, Version: event.Version + 1, Coefficient: odds.MustParse("2.50"),
			State: state, Deadline: now.Add(time.Hour), CreatedAt: now, UpdatedAt: now,
		}
		if state.IsFinal() {
			change.ResultRevision = event.ResultRevision + 1
		}
		event, _ = event.Apply(change, now)
		return []domain.Event{event}
	}))
}

func (f *ledgerFile) result(t *testing.T, id domain.EventID, state domain.State) {
	t.Helper()
	f.change(t, id, state)
	f.settle(t, id)
}

func (f *ledgerFile) settle(t *testing.T, id domain.EventID) {
	t.Helper()
	_, err := f.store.Settlements.SettleChunk(t.Context(), id, 0, 100, (*domain.Settling).Settle)
	fatal(t, err)
	settled, err := f.store.Settlements.FinishSettling(t.Context(), id)
	if err != nil || !settled {
		t.Fatalf("event %d is settled: %t, %v", id, settled, err)
	}
}

func (f *ledgerFile) place(t *testing.T, user domain.UserID, event domain.EventID, stake string) {
	t.Helper()
	limits := domain.Limits{
		Stake:     domain.StakeLimits{Min: money.MustParse("0.01"), Max: money.MustParse("1000.00")},
		Liability: money.MustParse("1000.00"),
	}
	batch := ports.Batch{WithLiabilities: true, Placements: []domain.Placement{
		{UserID: user, EventID: event, Stake: money.MustParse(stake), Policy: domain.OddsChangeAny},
	}}
	decisions, err := f.store.Placements.Place(t.Context(), batch, func(set *domain.WorkingSet) []domain.Decision {
		return set.Decide(limits, batch.Placements)
	})
	if err != nil || !decisions[0].Accepted() {
		t.Fatalf("place: %v %+v", err, decisions)
	}
}

// void voids all bets placed on an event so far.
func (f *ledgerFile) void(t *testing.T, id domain.EventID) {
	t.Helper()
	fatal(t, f.store.Events.Amend(t.Context(), id, func(now time.Time, event domain.Event) (*ports.Amendment, error) {
		event, _, _, err := event.Void(domain.VoidWindow{From: now.Add(-time.Hour), To: now, Reason: "a wrong price", By: anna}, now)
		return &ports.Amendment{Event: event, Audit: domain.AuditRecord{Action: domain.ActionVoid, Subject: domain.EventSubject(id)}}, err
	}))
	f.settle(t, id)
}

func (f *ledgerFile) cancel(t *testing.T, bet domain.BetID) {
	t.Helper()
	_, err := f.store.Settlements.CancelBet(t.Context(), bet, func(set *domain.Settling) (*ports.Cancellation, error) {
		settled, _, err := set.Cancel(time.Hour)
		return &ports.Cancellation{Settled: settled}, err
	})
	fatal(t, err)
}

// spread gives the transfers ids with gaps and removes the triggers that protect them, as the owner
// of the file can.
func (f *ledgerFile) spread(t *testing.T) {
	t.Helper()
	fatal(t, f.store.Close())
	fatal(t, tamper(t.Context(), f.path,
		"drop trigger transfers_no_update", "drop trigger transfers_no_delete",
		"drop trigger seals_no_update", "drop trigger seals_no_delete",
		"drop index transfers_bet_key",
		"update transfers set id = -2 * id", "update transfers set id = -id",
	))
	f.open(t)
}

func (f *ledgerFile) seal(t *testing.T) {
	t.Helper()
	for more := true; more; {
		var err error
		f.head, more, err = f.store.Ledger.Seal(t.Context(), 5, domain.Seal.Next)
		fatal(t, err)
	}
}

// tamper changes a file despite its constraints.
func tamper(ctx context.Context, path string, statements ...string) (err error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for _, statement := range append([]string{"pragma ignore_check_constraints = on", "pragma foreign_keys = off"}, statements...) {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// verify tampers with a copy of the file and inspects it.
func (f *ledgerFile) verify(t *testing.T, expected domain.Seal, statements ...string) domain.LedgerReport {
	t.Helper()
	copied := &ledgerFile{path: filepath.Join(t.TempDir(), "betmaker.db")}
	content, err := os.ReadFile(f.path)
	fatal(t, err)
	fatal(t, os.WriteFile(copied.path, content, 0o600))
	fatal(t, tamper(t.Context(), copied.path, statements...))
	copied.store, err = sqlite.Open(t.Context(), sqlite.Config{File: copied.path, Guest: true, Logger: quiet})
	fatal(t, err)
	report, err := usecase.VerifyLedger(t.Context(), copied.store.Ledger, expected, func(int64, int64) {})
	fatal(t, errors.Join(err, copied.store.Close()))
	return report
}

func TestUntamperedLedger(t *testing.T) {
	t.Parallel()
	f := newLedgerFile(t)
	report := f.verify(t, f.head)
	if !report.IsInOrder() {
		t.Errorf("found %v", report.Findings)
	}
	if report.Seals < 4 || report.Transfers-report.Sealed != 2 || report.Pending != 2 || report.Head != f.head {
		t.Errorf("got %+v", report)
	}
}

// Each kind of tampering is done to a copy of the data and must be found.
func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	f := newLedgerFile(t)
	const newTransfer = "insert into transfers (id, user_id, debit, credit, amount, kind, revision, at) values "
	for name, test := range map[string]struct {
		want       domain.FindingKind
		statements []string
	}{
		"a sealed transfer deleted":         {domain.FindingSeal, []string{fmt.Sprintf("delete from transfers where id = %d", staked)}},
		"a transfer put into a gap":         {domain.FindingSeal, []string{newTransfer + "(7, 1, 4, 1, 100, 2, 0, 0)", "update wallets set balance = balance + 100 where user_id = 1"}},
		"a transfer put before all":         {domain.FindingSeal, []string{newTransfer + "(1, 1, 4, 1, 100, 2, 0, 0)", "update wallets set balance = balance + 100 where user_id = 1"}},
		"a transfer put at the end":         {domain.FindingWallet, []string{newTransfer + "(100, 1, 4, 1, 100, 2, 0, 0)"}},
		"two transfers swapped":             {domain.FindingSeal, []string{"update transfers set id = -id where id in (2, 4)", "update transfers set id = 6 + id where id < 0"}},
		"the sealed end cut off":            {domain.FindingSeal, []string{"delete from transfers where id > 30"}},
		"all transfers cut off":             {domain.FindingSeal, []string{"delete from transfers"}},
		"the last seal cut off":             {domain.FindingHead, []string{"delete from seals where id = (select max(id) from seals)"}},
		"transfers and their seals cut off": {domain.FindingHead, []string{"delete from seals where id > 2", "delete from transfers where id > (select max(last_transfer) from seals)"}},
		"all seals deleted":                 {domain.FindingHead, []string{"delete from seals"}},
		"the first seal deleted":            {domain.FindingSealMissing, []string{"delete from seals where id = 1"}},
		"a seal deleted":                    {domain.FindingSealMissing, []string{"delete from seals where id = 2"}},
		"a seal put in":                     {domain.FindingSeal, []string{"insert into seals values (100, 100, 1, zeroblob(32), 0)"}},

		"an unsealed transfer deleted": {domain.FindingWallet, []string{"delete from transfers where " + unsealed + " and kind = 2"}},
		"an unsealed stake deleted":    {domain.FindingBet, []string{"delete from transfers where " + unsealed + " and kind = 4"}},
		"an unsealed transfer edited":  {domain.FindingWallet, []string{"update transfers set amount = amount + 1 where " + unsealed + " and kind = 2"}},
		"an unsealed stake edited":     {domain.FindingBet, []string{"update transfers set amount = amount + 1 where " + unsealed + " and kind = 4"}},
		"an unsealed user edited":      {domain.FindingWallet, []string{"update transfers set user_id = 2 where " + unsealed + " and kind = 2"}},
		"an unsealed kind edited":      {domain.FindingTransfer, []string{"update transfers set kind = 3 where " + unsealed + " and kind = 2"}},

		"money moved between wallets":    {domain.FindingWallet, []string{"update wallets set balance = balance + 1 where user_id = 1", "update wallets set balance = balance - 1 where user_id = 3"}},
		"money moved within a wallet":    {domain.FindingWallet, []string{"update wallets set balance = balance + 1, held = held - 1 where user_id = 1"}},
		"a wallet below nothing":         {domain.FindingWalletNegative, []string{"update wallets set balance = -1 where user_id = 1"}},
		"a wallet deleted":               {domain.FindingWalletMissing, []string{"delete from wallets where user_id = 2"}},
		"a wallet put in":                {domain.FindingWallet, []string{"insert into wallets (user_id, balance) values (9, 1)"}},
		"a bet deleted":                  {domain.FindingBetMissing, []string{fmt.Sprintf("delete from bets where id = %d", lost)}},
		"a pending bet deleted":          {domain.FindingEscrow, []string{fmt.Sprintf("delete from bets where id = %d", pending)}},
		"a bet put in":                   {domain.FindingBet, []string{"create temp table copies as select * from bets", fmt.Sprintf("update copies set id = 99 where id = %d", won), "insert into bets select * from copies where id = 99"}},
		"a lost bet made to have won":    {domain.FindingSettlement, []string{fmt.Sprintf("update bets set status = 2, payout = 5000 where id = %d", lost)}},
		"a won bet made to be pending":   {domain.FindingBet, []string{fmt.Sprintf("update bets set status = 1, payout = null where id = %d", won)}},
		"a bet put behind its payout":    {domain.FindingRevision, []string{fmt.Sprintf("update bets set settle_revision = 0 where id = %d", won)}},
		"a voided bet made final":        {domain.FindingBet, []string{fmt.Sprintf("update bets set void_reason = 5 where id = %d", voided)}},
		"a cancelled bet made to follow": {domain.FindingBet, []string{fmt.Sprintf("update bets set void_reason = 1 where id = %d", cancelled)}},
		"a cancelled bet pays more":      {domain.FindingBet, []string{fmt.Sprintf("update bets set payout = payout + 1 where id = %d", cancelled)}},
		"an event's result edited":       {domain.FindingSettlement, []string{"update events set state = 3 where id = 1"}},
		"an event's void window undone":  {domain.FindingSettlement, []string{"update events set void_windows = '[]' where id = 3"}},
		"an event deleted":               {domain.FindingEventMissing, []string{"delete from events where id = 1"}},

		"a result kept from its bets":        {domain.FindingUnsettled, []string{"update events set state = 2, settle_revision = 1, settled_revision = 1 where id = 4"}},
		"a correction kept from its bets":    {domain.FindingUnsettled, []string{"update events set state = 3, settle_revision = 2, settled_revision = 2 where id = 1"}},
		"one bet kept behind":                {domain.FindingUnsettled, []string{fmt.Sprintf("update bets set settle_revision = 0 where id = %d", voided)}},
		"results to come kept from all bets": {domain.FindingRevision, []string{"update events set settled_revision = 9 where id = 4"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if report := f.verify(t, f.head, test.statements...); report.Found[test.want] == 0 {
				t.Errorf("found %v, want a %s", report.Findings, test.want)
			}
		})
	}
}

// Every column about money is edited; the others are listed here.
func TestEditOfAnyColumnIsFound(t *testing.T) {
	t.Parallel()
	f := newLedgerFile(t)
	all := func(columns []string, kind domain.FindingKind) map[string]domain.FindingKind {
		kinds := make(map[string]domain.FindingKind)
		for _, column := range columns {
			kinds[column] = kind
		}
		return kinds
	}
	var (
		transfers = []string{"id", "user_id", "debit", "credit", "amount", "kind", "bet_id", "revision", "reference", "at"}
		seals     = map[string]domain.FindingKind{
			"id": domain.FindingSealMissing, "last_transfer": domain.FindingSeal, "count": domain.FindingSeal, "hash": domain.FindingSeal,
			"at": "", // for people
		}
		wallets = map[string]domain.FindingKind{
			"user_id": domain.FindingWalletMissing, "balance": domain.FindingWallet, "held": domain.FindingWallet, "debt": domain.FindingWallet,
			"staked": domain.FindingWallet, "staked_day": domain.FindingWallet,
			// Permissions are not money.
			"open": "", "token_version": "", "stake_limit": "", "next_stake_limit": "", "next_stake_limit_at": "", "excluded_until": "",
		}
		bets = map[string]domain.FindingKind{
			"id": domain.FindingBetMissing, "user_id": domain.FindingBet, "event_id": domain.FindingBet, "stake": domain.FindingBet,
			"coefficient": domain.FindingBet, "event_version": domain.FindingBet, "accepted_at": domain.FindingBet, "half_even": domain.FindingBet,
			"status": domain.FindingBet, "payout": domain.FindingBet,
			"settle_revision": domain.FindingRevision, "void_reason": domain.FindingSettlement,
			"settled_at": "", // no money depends on it
		}
		liabilities = map[string]domain.FindingKind{
			"amount":   domain.FindingLiability,
			"event_id": "", // the store computes it again if it is missing
		}
	)
	for _, row := range []struct {
		table, where string
		kinds        map[string]domain.FindingKind // "" for none
	}{
		{"transfers", fmt.Sprintf("id = %d", opening), all(transfers, domain.FindingSeal)},
		{"transfers", fmt.Sprintf("id = %d", staked), all(transfers, domain.FindingSeal)},
		{"transfers", "id = (select max(last_transfer) from seals)", all(transfers, domain.FindingSeal)},
		{"seals", "id = 2", seals},
		{"seals", "id = (select max(id) from seals)", seals},
		{"wallets", fmt.Sprintf("user_id = %d", boris), wallets},
		{"bets", fmt.Sprintf("id = %d", won), bets},
		{"bets", fmt.Sprintf("id = %d", lost), bets},
		{"bets", fmt.Sprintf("id = %d", cancelled), bets},
		{"bets", fmt.Sprintf("id = %d", pending), bets},
		{"liabilities", "event_id = 4", liabilities},
	} {
		columns := f.columns(t, row.table)
		if len(columns) != len(row.kinds) {
			t.Errorf("%s has the columns %v, the test %v", row.table, columns, row.kinds)
		}
		for _, column := range columns {
			want, ok := row.kinds[column.name]
			if !ok {
				t.Errorf("the test does not name the finding for an edit of %s.%s", row.table, column.name)
			}
			edit := fmt.Sprintf("update %s set %s = %s where %s", row.table, column.name, column.other(), row.where)
			t.Run(edit, func(t *testing.T) {
				t.Parallel()
				report := f.verify(t, f.head, edit)
				switch {
				case want == "" && !report.IsInOrder():
					t.Errorf("found %v, want nothing", report.Findings)
				case want != "" && report.Found[want] == 0:
					t.Errorf("found %v, want a %s", report.Findings, want)
				}
			})
		}
	}
}

// An unreadable row is a finding too.
func TestUnreadableRowIsFound(t *testing.T) {
	t.Parallel()
	f := newLedgerFile(t)
	for _, edit := range []string{
		"update seals set hash = zeroblob(31) where id = 2",
		fmt.Sprintf("update bets set coefficient = -1 where id = %d", pending),
		"update events set coefficient = 100000000 where id = 4",
		"update events set void_windows = 'none' where id = 3",
	} {
		t.Run(edit, func(t *testing.T) {
			t.Parallel()
			report := f.verify(t, f.head, edit, fmt.Sprintf("delete from transfers where id = %d", opening))
			if report.Found[domain.FindingUnreadable] != 1 || report.Findings[0].Kind != domain.FindingUnreadable {
				t.Errorf("found %v, want the unreadable row first", report.Findings)
			}
			if report.Found[domain.FindingSeal] != 1 {
				t.Errorf("found %v, want the earlier findings, too", report.Findings)
			}
		})
	}
}

type column struct{ table, name, kind string }

// columns returns the columns of a table in the file.
func (f *ledgerFile) columns(t *testing.T, table string) []column {
	t.Helper()
	db, err := sql.Open("sqlite", f.path)
	fatal(t, err)
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), "select name, lower(type) from pragma_table_info(?)", table)
	fatal(t, err)
	defer func() { _ = rows.Close() }()
	var found []column
	for rows.Next() {
		c := column{table: table}
		fatal(t, rows.Scan(&c.name, &c.kind))
		found = append(found, c)
	}
	fatal(t, rows.Err())
	return found
}

// other returns a value that the row does not have.
func (c column) other() string {
	switch {
	case c.kind == "text":
		return c.name + " || ' '"
	case c.kind == "blob":
		return "zeroblob(32)"
	case c.table == "bets" && c.name == "event_id":
		return "7 - event_id" // an existing event
	case slices.Contains([]string{"id", "user_id", "event_id"}, c.name):
		return c.name + " + 999"
	default:
		return "coalesce(" + c.name + ", 0) + 1"
	}
}
