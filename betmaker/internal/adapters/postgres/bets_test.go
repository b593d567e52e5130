package postgres_test

import (
	"reflect"
	"testing"

	"stavka.local/betmaker/internal/adapters/postgres"
	"stavka.local/betmaker/internal/adapters/postgres/postgrestest"
	"stavka.local/betmaker/internal/ports"
)

// Lists decode bets by collect, and a single bet is decoded by pgx. Both return the same: for pending, won,
// lost and void bets, and for numbers and instants of any size.
func TestListDecodesBetsAsPgxDoes(t *testing.T) {
	t.Parallel()
	url := postgrestest.NewDatabase(t)
	for _, statement := range []string{
		`insert into users (name, username, username_folded, email, email_folded, password_hash, role, created_at, updated_at)
			values ('', '', '', '', '', '', 1, now(), now())`,
		"insert into wallets (user_id) select id from users",
		`insert into events (id, dataset, seq, version, name, coefficient, deadline, state, suspended, result_revision, created_at, updated_at)
			values (9223372036854775807, 'D', 1, 1, '', 145, now(), 1, false, 0, now(), now())`,
		`insert into bets (user_id, event_id, stake, coefficient, event_version, accepted_at, status, payout, settle_revision, void_reason, settled_at)
			select u.id, 9223372036854775807, stake, coefficient, version, accepted_at, status, payout, revision, reason, settled_at
			from users u, (values
				(1::bigint, 100, 1::bigint, '2026-11-23 12:00:00.123456+03'::timestamptz, 1, null::bigint, 0::bigint, null::integer, null::timestamptz),
				(99999999999999, 9999999, 9223372036854775807, '1970-01-01 00:00:00+00', 2, 99999999999999, 9223372036854775807, null, '9999-12-31 23:59:59.999999+00'),
				(2, 185, 3, '1999-12-31 23:59:59.999999+00', 3, 0, 1, null, '2000-01-01 00:00:00+00'),
				(3, 185, 4, '2026-02-28 00:00:00+00', 4, 3, 2, 5, '2026-02-28 00:00:00.000001+00')
			) as b (stake, coefficient, version, accepted_at, status, payout, revision, reason, settled_at)`,
	} {
		execute(t, url, statement)
	}
	store := open(t, postgres.Config{URL: url})
	for _, filter := range []ports.BetFilter{{}, {UserID: 1}, {EventID: 9223372036854775807}} {
		listed, err := store.Bets.List(t.Context(), filter, 10)
		if err != nil || len(listed) != 4 {
			t.Fatalf("%+v: got %d bets, %v; want 4", filter, len(listed), err)
		}
		for _, got := range listed {
			want, err := store.Bets.Bet(t.Context(), got.ID)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%+v, want\n%+v", got, want)
			}
		}
	}
}
