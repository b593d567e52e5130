package httpapi

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stavka.local/lineprovider/internal/adapters/httpapi/oapi"
	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/fieldtest"
	"stavka.local/shared/line"
	"stavka.local/shared/odds"
)

// The response with one event is equal, byte for byte, to the response of the generated types.
func TestOneEventMatchesEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		found := oneEvent{Snapshot: ports.Snapshot{
			Epoch: line.Epoch{Dataset: rapid.StringMatching("[0-9a-f]{16}").Draw(t, "dataset"), Generation: rapid.Int64Min(1).Draw(t, "generation")},
			Event: anyEvent(t),
		}}
		want, got := httptest.NewRecorder(), httptest.NewRecorder()
		reference := oapi.GetEvent200JSONResponse{
			Body:    event(found.Event),
			Headers: oapi.GetEvent200ResponseHeaders{ETag: etag(found.Event), LineEpoch: found.Epoch.String()},
		}
		if err := reference.VisitGetEventResponse(want); err != nil {
			t.Fatal(err)
		}
		if err := found.VisitGetEventResponse(got); err != nil {
			t.Fatal(err)
		}
		if got.Code != want.Code || got.Body.String() != want.Body.String() {
			t.Errorf("got %d\n%swant %d\n%s", got.Code, got.Body, want.Code, want.Body)
		}
		if !maps.EqualFunc(got.Header(), want.Header(), slices.Equal[[]string]) {
			t.Errorf("got %v, want %v", got.Header(), want.Header())
		}
	})
}

func TestOneEventIsNotModified(t *testing.T) {
	t.Parallel()
	snapshot := ports.Snapshot{Epoch: line.Epoch{Dataset: "d", Generation: 1}, Event: domain.Event{ID: 1, Version: 12}}
	for ifNoneMatch, want := range map[string]int{
		"": 200, `"12"`: 304, `W/"12"`: 304, `"1", W/"2",  "12"`: 304, "*": 304,
		`"1"`: 200, `"112"`: 200, `12`: 200, `"1","2"`: 200, `W/*`: 200, ",": 200,
	} {
		got := httptest.NewRecorder()
		if err := (oneEvent{snapshot, ifNoneMatch}).VisitGetEventResponse(got); err != nil {
			t.Fatal(err)
		}
		if got.Code != want || (got.Body.Len() == 0) != (want == http.StatusNotModified) {
			t.Errorf("%s: got %d %s, want %d", ifNoneMatch, got.Code, got.Body, want)
		}
		if got.Header().Get("ETag") != `"12"` || got.Header().Get("Line-Epoch") != "d.1" {
			t.Errorf("%s: got %v", ifNoneMatch, got.Header())
		}
	}
}

// anyEvent draws an event as a store may return it.
func anyEvent(t *rapid.T) domain.Event {
	e := fieldtest.Drawn[domain.Event](t, func(field string) int64 { return rapid.Int64().Draw(t, field) })
	e.State = domain.State(rapid.IntRange(int(domain.StateNew), int(domain.StateCancelled)).Draw(t, "state"))
	e.Name = rapid.String().Draw(t, "name")
	return e
}

func BenchmarkOneEvent(b *testing.B) {
	at := time.Unix(1_800_000_000, 0).UTC()
	found := oneEvent{Snapshot: ports.Snapshot{Event: domain.Event{
		ID: 1, Coefficient: odds.MustParse("1.50"), Deadline: at, State: domain.StateNew, CreatedAt: at, UpdatedAt: at, Version: 5, Seq: 6,
	}}}
	for name, response := range map[string]oapi.GetEventResponseObject{
		"appended": found,
		"encoding/json": oapi.GetEvent200JSONResponse{
			Body:    event(found.Event),
			Headers: oapi.GetEvent200ResponseHeaders{ETag: etag(found.Event), LineEpoch: found.Epoch.String()},
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_ = response.VisitGetEventResponse(discard{http.Header{}})
			}
		})
	}
}

// discard is a response writer that drops the body.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
