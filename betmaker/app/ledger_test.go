package app

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"stavka.local/betmaker/internal/adapters/sqlite"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
	"stavka.local/shared/config"
	"stavka.local/shared/money"
	"stavka.local/shared/service"
)

// newLedger returns the configuration of a store with two wallets, and its newest seal.
func newLedger(t *testing.T) (c Config, file string, head domain.Seal) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "betmaker.db")
	store, err := sqlite.Open(t.Context(), sqlite.Config{File: file})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"anna", "boris"} {
		user := domain.User{Name: name, Username: name, Email: name + "@example.com", Role: domain.RoleUser, Active: true}
		_, err := store.Users.Create(t.Context(), ports.NewUser{
			Credentials: ports.Credentials{User: user, PasswordHash: "x"}, Opening: money.MustParse("100.00"),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if head, _, err = store.Ledger.Seal(t.Context(), 10, domain.Seal.Next); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return Config{StoreURL: config.NewSecret("sqlite:" + file)}, file, head
}

// verify runs the command ledger verify with the arguments on a store.
func verify(t *testing.T, c Config, args ...string) (stdout string, err error) {
	t.Helper()
	var out strings.Builder
	root := newCommand(func(*cobra.Command) (Config, error) { return c, nil })
	err = service.Run(t.Context(), root, append([]string{"ledger", "verify"}, args...), &out, t.Output())
	return out.String(), err
}

func TestVerifySoundLedger(t *testing.T) {
	t.Parallel()
	c, _, head := newLedger(t)
	for _, args := range [][]string{nil, {"--head", head.String()}} {
		out, err := verify(t, c, args...)
		if err != nil {
			t.Errorf("%v: %v", args, err)
		}
		for _, want := range []string{
			"transfers  2, of which 2 are sealed\n", "head       " + head.String() + "\n", "in wallets 200.00\n", "external   -200.00\n",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("%v: %q is not in\n%s", args, want, out)
			}
		}
		if !strings.HasSuffix(out, "\nthe ledger is in order\n") {
			t.Errorf("%v: the last line is not the result:\n%s", args, out)
		}
	}
}

func TestVerifyTamperedLedger(t *testing.T) {
	t.Parallel()
	c, file, head := newLedger(t)
	head.ID++
	if out, err := verify(t, c, "--head", head.String()); err == nil || !strings.Contains(out, "head_missing: seal 2: ") {
		t.Errorf("a missing head: got %v\n%s", err, out)
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), "update wallets set balance = balance + 1"); err != nil {
		t.Fatal(err)
	}
	out, err := verify(t, c)
	if err == nil || err.Error() != "THE LEDGER IS NOT IN ORDER: findings: 2" {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{"\nwallet_differs: wallet 1: ", "\nwallet_differs: wallet 2: "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out, "in order") {
		t.Errorf("the output says that it is in order:\n%s", out)
	}
}

func TestVerifyUnreadableLedger(t *testing.T) {
	t.Parallel()
	c, file, _ := newLedger(t)
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1) // the pragma applies to one connection
	for _, statement := range []string{
		"pragma ignore_check_constraints = on", "drop trigger seals_no_update", "update seals set hash = zeroblob(31)",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	out, err := verify(t, c)
	if err == nil || err.Error() != "THE LEDGER IS NOT IN ORDER: findings: 1" {
		t.Errorf("got %v", err)
	}
	if want := "\nunreadable: ledger: cannot be read to its end, and the rest is not checked: "; !strings.Contains(out, want) {
		t.Errorf("%q is not in\n%s", want, out)
	}
}

func TestLedgerMetrics(t *testing.T) {
	t.Parallel()
	m := newMeters()
	series := func() (found []string) {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
		for line := range strings.Lines(w.Body.String()) {
			if strings.HasPrefix(line, "stavka_ledger_") && !strings.HasSuffix(line, " 0\n") {
				found = append(found, strings.TrimSpace(line))
			}
		}
		return found
	}
	if got := series(); len(got) != 0 {
		t.Errorf("before the first seal: %q", got)
	}
	for id := range int64(3) {
		m.seal(domain.Seal{ID: id + 1, Last: 100})
	}
	head := fmt.Sprintf(`stavka_ledger_head{hash="%064d",seal="3"} 1`, 0)
	if got, want := fmt.Sprint(series()), fmt.Sprint([]string{head, "stavka_ledger_sealed_transfers 100"}); got != want {
		t.Errorf("after three seals:\n%s, want\n%s", got, want)
	}
	m.ledgerCheck(domain.LedgerReport{Found: map[domain.FindingKind]int64{domain.FindingWallet: 2}}, 3*time.Second)
	for _, want := range []string{`stavka_ledger_findings{kind="wallet_differs"} 2`, "stavka_ledger_check_seconds 3"} {
		if got := fmt.Sprint(series()); !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	m.ledgerCheck(domain.LedgerReport{}, 0)
	if got := fmt.Sprint(series()); strings.Contains(got, "findings") {
		t.Errorf("after a check without findings: %s", got)
	}
}

func TestLedgerCheckInterval(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"": time.Hour, "0": 0, "90": 90 * time.Second, "10m": 10 * time.Minute} {
		variables := map[string]string{"SECRET_KEY": goodKey, "LEDGER_CHECK_INTERVAL": text}
		if c, err := ConfigFromEnv(lookup(variables)); err != nil || c.LedgerCheckInterval != want {
			t.Errorf("%q: got %s, %v; want %s", text, c.LedgerCheckInterval, err, want)
		}
	}
	for _, text := range []string{"-1", "often"} {
		_, err := ConfigFromEnv(lookup(map[string]string{"SECRET_KEY": goodKey, "LEDGER_CHECK_INTERVAL": text}))
		if err == nil || !strings.Contains(err.Error(), "LEDGER_CHECK_INTERVAL: ") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
