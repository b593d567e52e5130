package sqlite_test

import (
	"database/sql"
	"errors"
	"testing"

	"stavka.local/betmaker/internal/adapters/sqlite"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// An earlier version folded names in another way.
func TestFoldNames(t *testing.T) {
	t.Parallel()
	file := newFile(t)
	store := open(t, sqlite.Config{File: file})
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, user := range []struct{ username, email, foldedName, foldedEmail string }{
		{"straße", "a@example.com", "straße", "a@example.com"},
		{"b", "ς@example.com", "b", "ς@example.com"},
		{"weiß", "c@example.com", "weiß", "c@example.com"},
		{"WEISS", "d@example.com", "weiss", "d@example.com"},
		{"жанна", "e@example.com", "жанна", "e@example.com"},
	} {
		created, err := store.Users.Create(t.Context(), ports.NewUser{Credentials: ports.Credentials{User: domain.User{
			Name: "N", Username: "new " + user.username, Email: "new " + user.email, Role: domain.RoleUser, Active: true,
		}}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.ExecContext(t.Context(), "update users set username = ?, email = ?, username_folded = ?, email_folded = ? where id = ?",
			user.username, user.email, user.foldedName, user.foldedEmail, created.ID)
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		kept, err := store.Users.FoldNames(t.Context())
		if err != nil || len(kept) != 1 || kept[0].Username != "weiß" {
			t.Fatalf("got %+v, %v; want the user whose name is now equal to another's", kept, err)
		}
		for name, email := range map[string]string{"STRASSE": "a@", "b": "ς@", "weiss": "d@", "Жанна": "e@"} {
			if user, err := store.Users.ByUsername(t.Context(), name); err != nil || user.Email != email+"example.com" {
				t.Errorf("%s: got %+v, %v", name, user, err)
			}
		}
		if err := store.Users.Free(t.Context(), 0, "free", "Σ@example.com"); !errors.Is(err, domain.ErrEmailTaken) {
			t.Errorf("the folded email address: got %v", err)
		}
	}
}
