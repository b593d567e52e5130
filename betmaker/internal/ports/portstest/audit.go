package portstest

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// AuditLog is the suite of ports.AuditLog.
func AuditLog(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"keeps the record of a created user": recordsCreatedUser,
		"keeps the record of a changed user": recordsChangedUser,
		"keeps no record of what failed":     recordsNoFailure,
		"finds records":                      findsRecords,
	})
}

// fullRecord returns a record in which everything is set that the store does not add.
func fullRecord(at time.Time) domain.AuditRecord {
	return domain.AuditRecord{
		At:      at,
		Origin:  domain.Origin{By: 1 << 40, Address: "2001:db8::1", RequestID: "request", ServerRequestID: "own"},
		Changed: []string{"email", "password"},
		Action:  domain.ActionVoid, Subject: "event:1", Reason: "a \"goal\" – at 14:03",
		Before: json.RawMessage(`{"a":1}`), After: json.RawMessage(`{"b":[1,"ü"]}`),
	}
}

func records(t *testing.T, s Stores, filter ports.AuditFilter) []domain.AuditRecord {
	t.Helper()
	found, err := s.AuditLog.Records(t.Context(), filter, 1000)
	ok(t, err)
	return found
}

// isRecorded checks that the newest record equals want, except for its id and the spaces in its JSON. If
// the time in want is zero, any time is accepted.
func isRecorded(t *testing.T, s Stores, want domain.AuditRecord) {
	t.Helper()
	found, err := s.AuditLog.Records(t.Context(), ports.AuditFilter{}, 1)
	ok(t, err)
	isTrue(t, len(found) == 1, "there is a record")
	got := found[0]
	isTrue(t, got.ID > 0, "an id: %d", got.ID)
	sameJSON(t, got.Before, want.Before)
	sameJSON(t, got.After, want.After)
	if want.At.IsZero() {
		isTrue(t, !got.At.IsZero(), "the record has a time")
		want.At = got.At
	}
	want.ID, want.Before, want.After = got.ID, got.Before, got.After
	equal(t, got, want)
}

func sameJSON(t *testing.T, got, want json.RawMessage) {
	t.Helper()
	if len(got) == 0 || len(want) == 0 {
		equal(t, len(got), len(want))
		return
	}
	var a, b any
	ok(t, json.Unmarshal(got, &a))
	ok(t, json.Unmarshal(want, &b))
	isTrue(t, reflect.DeepEqual(a, b), "%s is %s", got, want)
}

func recordsCreatedUser(t *testing.T, s Stores) {
	user := newUser("bella", domain.RoleUser)
	user.Audit = func(created domain.User) domain.AuditRecord { return created.CreatedBy(fullRecord(past).Origin) }
	created, err := s.Users.Create(t.Context(), user)
	ok(t, err)
	isRecorded(t, s, created.CreatedBy(fullRecord(past).Origin))
}

func recordsChangedUser(t *testing.T, s Stores) {
	user := addUser(t, s, "bella", domain.RoleUser)
	equal(t, records(t, s, ports.AuditFilter{}), nil)
	record := fullRecord(past)
	record.At = time.Time{}
	_, err := s.Users.Update(t.Context(), user.ID, func(user ports.Credentials, _ int) (ports.UserUpdate, error) {
		user.Name = "Bella C."
		return ports.UserUpdate{Credentials: user, Audit: &record}, nil
	})
	ok(t, err)
	isRecorded(t, s, record)
}

func recordsNoFailure(t *testing.T, s Stores) {
	addUser(t, s, "bella", domain.RoleUser)
	user := newUser("bella", domain.RoleUser)
	user.Email = "other@example.com"
	user.Audit = func(created domain.User) domain.AuditRecord { return created.CreatedBy(fullRecord(past).Origin) }
	_, err := s.Users.Create(t.Context(), user)
	isError(t, err, domain.ErrUsernameTaken)
	equal(t, records(t, s, ports.AuditFilter{}), nil)
}

func findsRecords(t *testing.T, s Stores) {
	write(t, s, openEvent(1))
	record := func(by domain.UserID, action, subject string) {
		ok(t, s.Events.Amend(t.Context(), 1, func(now time.Time, event domain.Event) (*ports.Amendment, error) {
			made := domain.NewAuditRecord(domain.Origin{By: by}, action, subject, "", nil, nil)
			made.At = now
			return &ports.Amendment{Event: event, Audit: made}, nil
		}))
	}
	record(1, "a", "x")
	record(2, "a", "y")
	record(1, "b", "y")
	record(1, "a", "y")
	all := records(t, s, ports.AuditFilter{})
	equal(t, len(all), 4)
	for i := range all[1:] {
		isTrue(t, all[i].ID > all[i+1].ID, "the newest first: %+v", all)
	}
	for _, tt := range []struct {
		filter ports.AuditFilter
		want   []domain.AuditRecord
	}{
		{ports.AuditFilter{By: 1}, []domain.AuditRecord{all[0], all[1], all[3]}},
		{ports.AuditFilter{Action: "a"}, []domain.AuditRecord{all[0], all[2], all[3]}},
		{ports.AuditFilter{Subject: "y"}, []domain.AuditRecord{all[0], all[1], all[2]}},
		{ports.AuditFilter{By: 1, Action: "a", Subject: "y"}, []domain.AuditRecord{all[0]}},
		{ports.AuditFilter{Before: all[1].ID}, []domain.AuditRecord{all[2], all[3]}},
		{ports.AuditFilter{By: 3}, nil},
	} {
		equal(t, records(t, s, tt.filter), tt.want)
	}
	limited, err := s.AuditLog.Records(t.Context(), ports.AuditFilter{}, 2)
	ok(t, err)
	equal(t, limited, all[:2])
}
