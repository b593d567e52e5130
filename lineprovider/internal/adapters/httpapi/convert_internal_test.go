package httpapi

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"stavka.local/lineprovider/internal/adapters/httpapi/oapi"
	"stavka.local/lineprovider/internal/domain"
	"stavka.local/shared/fieldtest"
	"stavka.local/shared/odds"
)

func TestEvent(t *testing.T) {
	t.Parallel()
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
	full := domain.Event{
		ID: 1, Coefficient: odds.MustParse("1.50"), Deadline: at(2), State: domain.StateFinishedLose, CreatedAt: at(3),
		UpdatedAt: at(4), Name: "derby", Suspended: true, Version: 5, Seq: 6, ResultRevision: 7, EffectiveAt: at(8),
		RecordedAt: time.UnixMilli(9010).UTC(),
	}
	noFieldIsZero(t, full)
	for want, given := range map[string]domain.Event{
		`{"coefficient":1.50,"create_date":3,"deadline":2,"effective_at":8,"event_id":1,"name":"derby",` +
			`"recorded_at":9010,"result_revision":7,"seq":6,"state":3,"suspended":true,"update_date":4,"version":5}`: full,
		`{"coefficient":1.50,"create_date":3,"deadline":2,"effective_at":null,"event_id":1,"name":null,` +
			`"recorded_at":null,"result_revision":0,"seq":6,"state":1,"suspended":false,"update_date":4,"version":5}`: {
			ID: 1, Coefficient: odds.MustParse("1.50"), Deadline: at(2), State: domain.StateNew, CreatedAt: at(3),
			UpdatedAt: at(4), Version: 5, Seq: 6,
		},
	} {
		got, err := json.Marshal(event(given))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	at, price := time.Unix(7, 0).UTC(), odds.MustParse("1.50")
	var created oapi.NewEvent
	decode(t, `{"coefficient":1.5,"deadline":7,"name":"derby"}`, &created)
	equal(t, offer(created), domain.Offer{Coefficient: price, Deadline: &at, Name: "derby"})
	created = oapi.NewEvent{}
	decode(t, `{"coefficient":1.5,"deadline":null,"name":null}`, &created)
	equal(t, offer(created), domain.Offer{Coefficient: price})

	var changed oapi.EventPatch
	decode(t, `{"coefficient":1.5,"deadline":7,"name":"","suspended":false}`, &changed)
	equal(t, amendment(changed), domain.Amendment{
		Coefficient: &price, Deadline: &at, Name: new(""), Suspended: new(false),
	})
	changed = oapi.EventPatch{}
	decode(t, `{}`, &changed)
	equal(t, amendment(changed), domain.Amendment{})

	var decided oapi.NewState
	decode(t, `{"state":3,"effective_at":7,"reason":"why"}`, &decided)
	equal(t, result(decided), domain.Result{State: domain.StateFinishedLose, EffectiveAt: &domain.Instant{At: at}, Reason: "why"})
	decided = oapi.NewState{}
	decode(t, `{"state":3,"effective_at":null,"reason":null}`, &decided)
	equal(t, result(decided), domain.Result{State: domain.StateFinishedLose, EffectiveAt: &domain.Instant{Unknown: true}})
	decided = oapi.NewState{}
	decode(t, `{"state":3}`, &decided)
	equal(t, result(decided), domain.Result{State: domain.StateFinishedLose})
}

func TestEveryMemberOfABodyReachesItsCommand(t *testing.T) {
	t.Parallel()
	everyMemberReaches(t, offer)
	everyMemberReaches(t, amendment)
	everyMemberReaches(t, result)
}

// everyMemberReaches fails for a member of a body that leaves the command as it is, and for a field of
// the command that no member sets.
func everyMemberReaches[Body, Command any](t *testing.T, convert func(Body) Command) {
	t.Helper()
	var none Body
	for name, body := range fieldtest.Variants(t, none) {
		if reflect.DeepEqual(convert(body), convert(none)) {
			t.Errorf("%s of %T does not reach %T", name, body, convert(body))
		}
	}
	noFieldIsZero(t, convert(fieldtest.Full[Body](t)))
}

func noFieldIsZero(t *testing.T, s any) {
	t.Helper()
	for i, v := 0, reflect.ValueOf(s); i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("%T leaves %s zero", s, v.Type().Field(i).Name)
		}
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	tokens := NewTokens("first", "second")
	labels := map[string]bool{}
	for _, token := range []string{"first", "second"} {
		ctx, err := tokens.Authenticate(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		labels[author(ctx, "anna").Token] = true
	}
	if len(labels) != 2 {
		t.Errorf("labels %v of different tokens are equal", labels)
	}
	for _, token := range []string{"", "firs", "First", "first,second"} {
		if _, err := tokens.Authenticate(t.Context(), token); err == nil {
			t.Errorf("%q is accepted", token)
		}
	}
}

// FuzzTarget checks that no If-Match is accepted that is not a version.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{``, `"1"`, `"0"`, `"-1"`, `1`, `"""2"""`, `"99999999999999999999"`, `*`, `W/"1"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ifMatch string) {
		got, err := target(t.Context(), 1, ifMatch, "")
		if err == nil && (got.Version < 1) != (ifMatch == "" || ifMatch == "*") {
			t.Errorf("%q is version %d", ifMatch, got.Version)
		}
	})
}
