package usecase_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// The audit log has every privileged change with the names of what it changed, and no password.
func TestPrivilegedChangesOfUsersAreRecorded(t *testing.T) {
	t.Parallel()
	a := newAccess(t)
	anna, admin := a.newUser(t, "anna", domain.RoleUser), a.newUser(t, "chief", domain.RoleAdmin)
	other := a.newUser(t, "other", domain.RoleUser)
	own := func(password string) *string { return &password }
	for name, tt := range map[string]struct {
		by     domain.Caller
		of     domain.User
		change domain.UserChange
		want   string // the action and what changed; "" for no record
	}{
		"own password":      {as(anna), anna, domain.UserChange{Password: new("hush-hush 7531"), CurrentPassword: own("password of anna")}, "user.change [password tokens]"},
		"own names":         {as(a.newUser(t, "bella", domain.RoleUser)), domain.User{}, domain.UserChange{Username: new("isabella"), Email: new("i@example.com"), CurrentPassword: own("password of bella")}, "user.change [username email]"},
		"own deactivation":  {as(a.newUser(t, "carol", domain.RoleUser)), domain.User{}, domain.UserChange{Deactivate: true, CurrentPassword: own("password of carol")}, "user.deactivate [active tokens]"},
		"own display name":  {as(a.newUser(t, "dora", domain.RoleUser)), domain.User{}, domain.UserChange{Name: new("Dora D.")}, ""},
		"own sign-out":      {as(a.newUser(t, "emma", domain.RoleUser)), domain.User{}, domain.UserChange{SignOut: true}, ""},
		"nothing new":       {root, other, domain.UserChange{Name: new("other")}, ""},
		"an administrator":  {as(admin), admin, domain.UserChange{Name: new("The Chief")}, "user.change [name]"},
		"another's":         {root, a.newUser(t, "fiona", domain.RoleUser), domain.UserChange{Password: new("hush-hush 7531"), Role: new(domain.RoleAdmin)}, "user.change [role password tokens]"},
		"another's sign-in": {root, a.newUser(t, "gerda", domain.RoleUser), domain.UserChange{Email: new("g@example.com")}, "user.change [email]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := tt.of.ID
			if id == 0 {
				id = tt.by.ID
			}
			tt.by.Address, tt.by.RequestID, tt.by.ServerRequestID = "192.0.2.1", "chosen", "made"
			if _, err := a.users.Change(t.Context(), tt.by, id, tt.change); err != nil {
				t.Fatal(err)
			}
			records, err := a.store.AuditLog.Records(t.Context(), ports.AuditFilter{Subject: domain.UserSubject(id)}, 10)
			if err != nil {
				t.Fatal(err)
			}
			records = slices.DeleteFunc(records, func(r domain.AuditRecord) bool { return r.Action == domain.ActionCreateUser })
			var got []string
			for _, r := range records {
				got = append(got, fmt.Sprint(r.Action, " ", r.Changed))
				if r.Origin != tt.by.Origin() {
					t.Errorf("the origin is %+v, want %+v", r.Origin, tt.by.Origin())
				}
				if text := string(r.Before) + string(r.After); strings.Contains(text, "hush-hush") || strings.Contains(text, "argon2") {
					t.Errorf("the record holds a password: %s", text)
				}
			}
			if strings.Join(got, "; ") != tt.want {
				t.Errorf("recorded %q, want %q", got, tt.want)
			}
		})
	}
}
