package domain_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/fault"
	"stavka.local/shared/money"
)

var (
	self     = domain.Actor{ID: 1, Role: domain.RoleUser}
	stranger = domain.Actor{ID: 2, Role: domain.RoleUser}
	root     = domain.Actor{ID: 3, Role: domain.RoleAdmin}
)

func TestMaySee(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		by   domain.Actor
		want bool
	}{{"oneself", self, true}, {"a stranger", stranger, false}, {"an admin", root, true}, {"an anonymous actor", domain.Actor{}, false}} {
		if got := tt.by.MaySee(1); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
	}
	if err := root.RequireAdmin(); err != nil {
		t.Errorf("an admin is one: got %v", err)
	}
	for _, actor := range []domain.Actor{self, {}} {
		if err := actor.RequireAdmin(); !errors.Is(err, domain.ErrForbidden) {
			t.Errorf("%+v is no admin: got %v", actor, err)
		}
	}
}

func TestVisibleUser(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		by        domain.Actor
		requested domain.UserID
		want      domain.UserID
		err       error
	}{
		{"a user gets their own", self, 0, 1, nil},
		{"a user asks for their own", self, 1, 1, nil},
		{"a user asks for another's", self, 2, 0, domain.ErrForbidden},
		{"an admin gets everybody's", root, 0, 0, nil},
		{"an admin asks for one user's", root, 2, 2, nil},
	} {
		if got, err := tt.by.VisibleUser(tt.requested); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %d, %v; want %d, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	claims := domain.AccessClaims{UserID: 1, Version: 3}
	active := domain.User{ID: 1, Role: domain.RoleAdmin, Active: true, TokenVersion: 3}
	for _, tt := range []struct {
		name   string
		change func(*domain.User)
		err    error
	}{
		{"a current token", func(*domain.User) {}, nil},
		{"a revoked token", func(u *domain.User) { u.TokenVersion = 4 }, domain.ErrUnauthenticated},
		{"a token from the future", func(u *domain.User) { u.TokenVersion = 2 }, domain.ErrUnauthenticated},
		{"a deactivated user", func(u *domain.User) { u.Active, u.TokenVersion = false, 4 }, domain.ErrUserInactive},
		{"another user", func(u *domain.User) { u.ID = 2 }, domain.ErrUnauthenticated},
	} {
		user := active
		tt.change(&user)
		want := domain.Actor{ID: 1, Role: domain.RoleAdmin}
		if tt.err != nil {
			want = domain.Actor{}
		}
		if got, err := user.Admit(claims); got != want || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %+v, %v; want %+v, %v", tt.name, got, err, want, tt.err)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ж", 300)
	for _, tt := range []struct {
		field string
		good  []string
		bad   []string
	}{
		{
			"username",
			[]string{"a", "string", "Жанна", "a.b-c_d@e", long[:128]},
			[]string{"", " ", "a b", "a\u00a0b", "a\u200bb", "a\u202eb", "a\nb", "a\x00", "a\xff", "\ufb01", "ab\u0645", "a\u200db", long[:130]},
		},
		{
			"name",
			[]string{"a", "Anna Maria", "می\u200cخواهم", "⚽\ufe0f Anna", long[:256]},
			[]string{"", "   ", "\u2800", "a\nb", "a\x00", "a\xff", "a\u200bb", "a\u202eb", "a\u0085b", "محمد\u200cرضا", long[:258]},
		},
		{
			"email",
			[]string{"a@b", "example@example.com", "жанна@пример.рф", "a+b@c"},
			[]string{"", "ab", "a@", "@b", "@@@", "a@b@c", "a b@c", "a@b\u200b", "a@\xff", "a@" + long[:506]},
		},
		{
			"password",
			[]string{"12345678 but", "пароль12", "with a space", long[:256]},
			[]string{"", "1234567", "пароль1", "1234567\xff", "1234567\x00", "1234567\u200b", "12345678", "password", "PassWord", "ｐassword", "trustno1", long[:258]},
		},
	} {
		for _, text := range tt.good {
			if err := validate(tt.field, text); err != nil {
				t.Errorf("%s %q: got %v", tt.field, text, err)
			}
		}
		for _, text := range tt.bad {
			err := validate(tt.field, text)
			if f := fault.Find(err); !errors.Is(err, domain.ErrInvalidUser) || f.Kind != fault.Invalid || f.Params["field"] != tt.field {
				t.Errorf("%s %q: got %+v, want ErrInvalidUser with the field", tt.field, text, err)
			}
		}
	}
}

// validate validates a change and, for a field that it has, a new user, and fails if the results
// differ.
func validate(field, text string) error {
	user := domain.NewUser{Name: "n", Username: "u", Email: "e@x", Role: domain.RoleUser}
	change := domain.UserChange{}
	switch field {
	case "username":
		user.Username, change.Username = text, &text
	case "name":
		user.Name, change.Name = text, &text
	case "email":
		user.Email, change.Email = text, &text
	case "password":
		change.Password = &text
		return change.Validate()
	}
	created, changed := user.Validate(), change.Validate()
	if (created == nil) != (changed == nil) {
		return errors.Join(errors.New("creating and changing differ"), created, changed)
	}
	return changed
}

func TestFoldCase(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"anna", "Anna", "ＡＮＮＡ", "ａｎｎａ"},
		{"josé", "jose\u0301", "JOSÉ", "JOSE\u0301"},
		{"straße", "STRASSE", "strasse", "STRAẞE"},
		{"σας", "ΣΑΣ", "σασ"},
		{"жанна@пример.рф", "ЖАННА@ПРИМЕР.РФ"},
	} {
		for _, name := range same {
			if got, want := domain.FoldCase(name), domain.FoldCase(same[0]); got != want {
				t.Errorf("%+q: got %q, want %q as for %q", name, got, want, same[0])
			}
		}
	}
	for _, name := range []string{"ann", "anna ", "\xff", "jose", "аnna" /* with a Cyrillic letter */} {
		if got := domain.FoldCase(name); got == "anna" || got == domain.FoldCase("josé") {
			t.Errorf("%+q is folded to %q", name, got)
		}
	}
}

func TestNamesAreStoredPrepared(t *testing.T) {
	t.Parallel()
	user := domain.NewUser{Name: "N", Username: "Ｊose\u0301", Email: "e@x", Role: domain.RoleUser}.User()
	if user.Username != "José" {
		t.Errorf("created as %+q", user.Username)
	}
	changed, err := user.Change(domain.UserChange{Username: new("ｊose\u0301")}, 1)
	if err != nil || changed.Username != "josé" {
		t.Errorf("changed to %+q, %v", changed.Username, err)
	}
}

func TestPreparePassword(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"pass word": "pass word", "pass\u00a0word": "pass word", "pass\u3000word": "pass word", "e\u0301": "é", "PASS": "PASS",
		" a ": " a ", "a\x00": "a\x00", "": "",
	} {
		if got := domain.PreparePassword(given); got != want {
			t.Errorf("%+q: got %+q, want %+q", given, got, want)
		}
	}
}

func TestOwnNamesArePasswordsOfNobody(t *testing.T) {
	t.Parallel()
	given := domain.NewUser{Name: "Anna Maria", Username: "annamaria", Email: "maria.anna@example.com", Role: domain.RoleUser}
	for _, password := range []string{"annamaria", "AnnaMaria", "anna maria", "Anna\u00a0Maria", "maria.anna@example.com", "Maria.Anna"} {
		if err := given.ValidatePassword(password); !errors.Is(err, domain.ErrInvalidUser) {
			t.Errorf("create with %q: got %v", password, err)
		}
		if got, err := given.User().Change(domain.UserChange{Password: &password}, 1); !errors.Is(err, domain.ErrInvalidUser) || got != given.User() {
			t.Errorf("change to %q: got %+v, %v", password, got, err)
		}
	}
	if err := given.ValidatePassword("annamaria's"); err != nil {
		t.Errorf("another password: %v", err)
	}
	both := domain.UserChange{Username: new("new-username"), Password: new("New-Username")}
	if _, err := given.User().Change(both, 1); !errors.Is(err, domain.ErrInvalidUser) {
		t.Errorf("the new username: got %v", err)
	}
}

func TestTextsOfPeople(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"bank transfer 4711": true, "перевод": true, " ": false, "a\nb": false, "a\u202eb": false, "a\u200bb": false, "a\xff": false,
	} {
		payment := domain.Payment{Amount: money.MustParse("1.00"), Reference: text}
		_, _, _, voided := domain.Event{}.Void(domain.VoidWindow{From: time.Unix(1, 0), To: time.Unix(2, 0), Reason: text}, time.Unix(3, 0))
		for what, err := range map[string]error{"reference": payment.Validate(), "reason": voided} {
			if (err == nil) != good || err != nil && fault.Find(err).Params["field"] != what {
				t.Errorf("%s %+q: got %v", what, text, err)
			}
		}
	}
}

func TestAuthorizeChange(t *testing.T) {
	t.Parallel()
	profile, role := domain.UserChange{Name: new("N")}, domain.UserChange{Role: new(domain.RoleUser)}
	for _, tt := range []struct {
		name   string
		by     domain.Actor
		change domain.UserChange
		err    error
	}{
		{"one's own profile", self, profile, nil},
		{"another's profile", stranger, profile, domain.ErrUserNotFound},
		{"an admin changes a profile", root, profile, nil},
		{"one's own role, though it is that already", self, role, domain.ErrForbidden},
		{"another's role", stranger, role, domain.ErrUserNotFound},
		{"an admin changes a role", root, role, nil},
		{"deactivating oneself", self, domain.UserChange{Deactivate: true}, nil},
		{"deactivating another", stranger, domain.UserChange{Deactivate: true}, domain.ErrUserNotFound},
	} {
		if err := tt.change.Authorize(tt.by, 1); !errors.Is(err, tt.err) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.err)
		}
	}
}

func TestNeedsPassword(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change domain.UserChange
		want   bool
	}{
		{"a name", domain.UserChange{Name: new("N")}, false},
		{"signing out", domain.UserChange{SignOut: true}, false},
		{"a role", domain.UserChange{Role: new(domain.RoleUser)}, false},
		{"a username", domain.UserChange{Username: new("u")}, true},
		{"an email address", domain.UserChange{Email: new("e@x")}, true},
		{"a password", domain.UserChange{Password: new("password")}, true},
		{"deactivation", domain.UserChange{Deactivate: true}, true},
	} {
		if got := tt.change.NeedsPassword(self, self.ID); got != tt.want {
			t.Errorf("%s of one's own: got %t, want %t", tt.name, got, tt.want)
		}
		if tt.change.NeedsPassword(root, self.ID) {
			t.Errorf("%s of another: an administrator needs a password", tt.name)
		}
	}
}

func TestChangeUser(t *testing.T) {
	t.Parallel()
	user := domain.User{ID: 1, Name: "N", Username: "u", Email: "e@x", Role: domain.RoleUser, Active: true, TokenVersion: 5}
	admin := user
	admin.Role = domain.RoleAdmin
	retired := admin
	retired.Active = false
	with := func(u domain.User, change func(*domain.User)) domain.User {
		change(&u)
		return u
	}
	for _, tt := range []struct {
		name   string
		from   domain.User
		change domain.UserChange
		admins int
		want   domain.User
		err    error
	}{
		{"nothing", user, domain.UserChange{}, 1, user, nil},
		{
			"a profile, which ends no token", user,
			domain.UserChange{Name: new("M"), Username: new("v"), Email: new("f@y")}, 1,
			with(user, func(u *domain.User) { u.Name, u.Username, u.Email = "M", "v", "f@y" }), nil,
		},
		{
			"a password, be it the same, which ends all tokens", user, domain.UserChange{Password: new("password")}, 1,
			with(user, func(u *domain.User) { u.TokenVersion = 6 }), nil,
		},
		{
			"a promotion", user, domain.UserChange{Role: new(domain.RoleAdmin)}, 1,
			with(admin, func(u *domain.User) { u.TokenVersion = 6 }), nil,
		},
		{"the role that they have", user, domain.UserChange{Role: new(domain.RoleUser)}, 1, user, nil},
		{
			"deactivation", user, domain.UserChange{Deactivate: true}, 1,
			with(user, func(u *domain.User) { u.Active, u.TokenVersion = false, 6 }), nil,
		},
		{"signing out, which ends all tokens", user, domain.UserChange{SignOut: true}, 1, with(user, func(u *domain.User) { u.TokenVersion = 6 }), nil},
		{"deactivation again", retired, domain.UserChange{Deactivate: true}, 0, retired, nil},
		{
			"the last but one admin retires", admin, domain.UserChange{Deactivate: true}, 2,
			with(retired, func(u *domain.User) { u.TokenVersion = 6 }), nil,
		},
		{"the last admin retires", admin, domain.UserChange{Deactivate: true}, 1, admin, domain.ErrLastAdmin},
		{"the last admin is demoted", admin, domain.UserChange{Role: new(domain.RoleUser)}, 1, admin, domain.ErrLastAdmin},
		{
			"the last admin gets another name", admin, domain.UserChange{Name: new("M")}, 1,
			with(admin, func(u *domain.User) { u.Name = "M" }), nil,
		},
		{
			"an inactive admin is demoted, which does not make admins fewer", retired, domain.UserChange{Role: new(domain.RoleUser)}, 1,
			with(retired, func(u *domain.User) { u.Role, u.TokenVersion = domain.RoleUser, 6 }), nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := tt.from.Change(tt.change, tt.admins); got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %+v, %v\nwant %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}
