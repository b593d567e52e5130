package portstest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// Users is the suite of ports.Users.
func Users(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"keeps all of a user":                           keepsUser,
		"keeps all of a changed user":                   keepsChangedUser,
		"does not find an unknown user":                 userNotFound,
		"refuses a taken name, ignoring case":           takesNamesOnce,
		"lets a user change the case of their name":     changesCaseOfName,
		"writes nothing if decide fails":                decisionIsNo,
		"writes nothing and holds nothing on a panic":   userUpdatePanics,
		"keeps every update":                            landsEveryUserUpdate,
		"creates a user once":                           createsUserOnce,
		"counts the active admins":                      countsActiveAdmins,
		"lists the active admins with their hashes":     listsActiveAdmins,
		"keeps the last of concurrently removed admins": keepsLastAdmin,
		"lists users in pages":                          listsUsers,
		"finds taken names before a change":             findsTakenNames,
		"opens and closes a wallet with its user":       opensAndClosesWallet,
	})
}

func keepsUser(t *testing.T, s Stores) {
	before := clock(t, s)
	for _, given := range []ports.Credentials{
		{
			User:         domain.User{Name: "Anna Ä.", Username: "Anna", Email: "Anna@Example.com", Role: domain.RoleAdmin, Active: true, TokenVersion: 3},
			PasswordHash: "$argon2id$anna",
		},
		{
			User:         domain.User{Username: "bella", Email: "bella@example.com", Role: domain.RoleUser, TokenVersion: 1},
			PasswordHash: "$argon2id$bella",
		},
	} {
		created, err := s.Users.Create(t.Context(), ports.NewUser{Credentials: given})
		ok(t, err)
		isTrue(t, created.ID > 0, "an id: %d", created.ID)
		isTrue(t, !created.CreatedAt.Before(before) && !created.CreatedAt.After(clock(t, s)), "created by the store's clock: %s", created.CreatedAt)
		want := given
		want.ID, want.CreatedAt, want.UpdatedAt = created.ID, created.CreatedAt.UTC(), created.CreatedAt.UTC()
		equal(t, created, want.User)
		isStored(t, s, want)
	}
}

// isStored checks that every method that reads a user returns want.
func isStored(t *testing.T, s Stores, want ports.Credentials) {
	t.Helper()
	read, err := s.Users.User(t.Context(), want.ID)
	ok(t, err)
	equal(t, read, want.User)
	credentials, err := s.Users.ByUsername(t.Context(), want.Username)
	ok(t, err)
	equal(t, credentials, want)
	credentials, err = s.Users.Credentials(t.Context(), want.ID)
	ok(t, err)
	equal(t, credentials, want)
	listed, err := s.Users.ListUsers(t.Context(), want.ID-1, 1)
	ok(t, err)
	equal(t, listed, []domain.User{want.User})
}

func keepsChangedUser(t *testing.T, s Stores) {
	created := addUser(t, s, "bella", domain.RoleUser)
	given := ports.Credentials{
		User:         domain.User{Name: "New", Username: "New", Email: "new@example.com", Role: domain.RoleAdmin, TokenVersion: 9},
		PasswordHash: "new hash",
	}
	changed, err := updateUser(t.Context(), s, created.ID, func(user ports.Credentials, _ int) (ports.Credentials, error) {
		equal(t, user.User, created)
		equal(t, user.PasswordHash, newUser("bella", domain.RoleUser).PasswordHash)
		return given, nil
	})
	ok(t, err)
	isTrue(t, changed.UpdatedAt.After(created.UpdatedAt), "the change has a later time: %s", changed.UpdatedAt)
	want := given
	want.ID, want.CreatedAt, want.UpdatedAt = created.ID, created.CreatedAt, changed.UpdatedAt.UTC()
	equal(t, changed, want.User)
	isStored(t, s, want)
	want.Active = true // tested elsewhere
	everyFieldSet(t, want)
	_, err = s.Users.ByUsername(t.Context(), "bella")
	isError(t, err, ports.ErrNotFound)
}

func userNotFound(t *testing.T, s Stores) {
	_, err := s.Users.User(t.Context(), 1)
	isError(t, err, ports.ErrNotFound)
	_, err = s.Users.ByUsername(t.Context(), "missing")
	isError(t, err, ports.ErrNotFound)
	_, err = s.Users.Credentials(t.Context(), 1)
	isError(t, err, ports.ErrNotFound)
	_, err = updateUser(t.Context(), s, 1, func(user ports.Credentials, _ int) (ports.Credentials, error) {
		t.Errorf("decide is called with %+v, which does not exist", user)
		return user, nil
	})
	isError(t, err, ports.ErrNotFound)
}

func takesNamesOnce(t *testing.T, s Stores) {
	addUser(t, s, "Жанна_Example", domain.RoleUser)
	other := addUser(t, s, "other", domain.RoleUser)

	name := newUser("жАННА_eXAMPLE", domain.RoleUser)
	name.Email = "free@example.com"
	email := newUser("free", domain.RoleUser)
	email.Email = "жАННА_eXAMPLE@EXAMPLE.com"
	for _, taken := range []struct {
		user ports.NewUser
		want error
	}{{name, domain.ErrUsernameTaken}, {email, domain.ErrEmailTaken}} {
		_, err := s.Users.Create(t.Context(), taken.user)
		isError(t, err, taken.want)
		_, err = updateUser(t.Context(), s, other.ID, func(ports.Credentials, int) (ports.Credentials, error) { return taken.user.Credentials, nil })
		isError(t, err, taken.want)
	}
	users, err := s.Users.ListUsers(t.Context(), 0, 10)
	ok(t, err)
	equal(t, len(users), 2)
	equal(t, users[1], other)

	found, err := s.Users.ByUsername(t.Context(), "ЖАННА_EXAMPLE")
	ok(t, err)
	equal(t, found.Username, "Жанна_Example")
}

func changesCaseOfName(t *testing.T, s Stores) {
	user := addUser(t, s, "bella", domain.RoleUser)
	changed, err := updateUser(t.Context(), s, user.ID, func(user ports.Credentials, _ int) (ports.Credentials, error) {
		user.Username, user.Email = "Bella", "Bella@Example.com"
		return user, nil
	})
	ok(t, err)
	equal(t, changed.Username, "Bella")
	equal(t, changed.Email, "Bella@Example.com")
}

func decisionIsNo(t *testing.T, s Stores) {
	user := addUser(t, s, "bella", domain.RoleUser)
	no := errors.New("no")
	_, err := updateUser(t.Context(), s, user.ID, func(user ports.Credentials, _ int) (ports.Credentials, error) {
		user.Name = "changed"
		return user, no
	})
	isError(t, err, no)
	read, err := s.Users.User(t.Context(), user.ID)
	ok(t, err)
	equal(t, read, user)
}

func userUpdatePanics(t *testing.T, s Stores) {
	user := addUser(t, s, "bella", domain.RoleAdmin)
	isTrue(t, panics(func() {
		_, err := updateUser(t.Context(), s, user.ID, func(ports.Credentials, int) (ports.Credentials, error) {
			panic("a defect in a rule")
		})
		t.Errorf("the panic was swallowed: %v", err)
	}), "the panic goes on")
	read, err := s.Users.User(t.Context(), user.ID)
	ok(t, err)
	equal(t, read, user)
	deactivate(t, s, user.ID)
}

func landsEveryUserUpdate(t *testing.T, s Stores) {
	user := addUser(t, s, "bella", domain.RoleUser)
	const writers, updates = 8, 10
	together(t, writers, func(int) error {
		for range updates {
			_, err := updateUser(t.Context(), s, user.ID, func(user ports.Credentials, _ int) (ports.Credentials, error) {
				user.TokenVersion++
				return user, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	read, err := s.Users.User(t.Context(), user.ID)
	ok(t, err)
	equal(t, read.TokenVersion, user.TokenVersion+writers*updates)
}

func createsUserOnce(t *testing.T, s Stores) {
	const replicas = 8
	var errs [replicas]error
	together(t, replicas, func(i int) error {
		_, errs[i] = s.Users.Create(t.Context(), newUser("first", domain.RoleAdmin))
		if errs[i] != nil && !errors.Is(errs[i], domain.ErrUsernameTaken) && !errors.Is(errs[i], domain.ErrEmailTaken) {
			return errs[i]
		}
		return nil
	})
	created := 0
	for _, err := range errs {
		if err == nil {
			created++
		}
	}
	equal(t, created, 1)
	users, err := s.Users.ListUsers(t.Context(), 0, 10)
	ok(t, err)
	equal(t, len(users), 1)
}

func countsActiveAdmins(t *testing.T, s Stores) {
	count := func(id domain.UserID) (admins int) {
		_, err := updateUser(t.Context(), s, id, func(user ports.Credentials, activeAdmins int) (ports.Credentials, error) {
			admins = activeAdmins
			return user, nil
		})
		ok(t, err)
		return admins
	}
	player := addUser(t, s, "player", domain.RoleUser)
	equal(t, count(player.ID), 0)
	first := addUser(t, s, "first", domain.RoleAdmin)
	second := addUser(t, s, "second", domain.RoleAdmin)
	equal(t, count(player.ID), 2)
	equal(t, count(first.ID), 2)
	deactivate(t, s, second.ID)
	equal(t, count(second.ID), 1)
	equal(t, count(first.ID), 1)
}

func listsActiveAdmins(t *testing.T, s Stores) {
	admins, err := s.Users.ActiveAdmins(t.Context())
	ok(t, err)
	equal(t, len(admins), 0)
	addUser(t, s, "player", domain.RoleUser)
	first, left, second := addUser(t, s, "first", domain.RoleAdmin), addUser(t, s, "left", domain.RoleAdmin), addUser(t, s, "second", domain.RoleAdmin)
	deactivate(t, s, left.ID)
	admins, err = s.Users.ActiveAdmins(t.Context())
	ok(t, err)
	hash := func(name string) string { return newUser(name, domain.RoleAdmin).PasswordHash }
	equal(t, admins, []ports.Credentials{{User: first, PasswordHash: hash("first")}, {User: second, PasswordHash: hash("second")}})
}

func keepsLastAdmin(t *testing.T, s Stores) {
	const admins = 8
	for round := range scaled(t, 100) {
		var ids [admins]domain.UserID
		for i := range ids {
			ids[i] = addUser(t, s, fmt.Sprintf("admin-%d-%d", round, i), domain.RoleAdmin).ID
		}
		var errs [admins]error
		together(t, admins, func(i int) error {
			_, errs[i] = updateUser(t.Context(), s, ids[i], func(user ports.Credentials, activeAdmins int) (ports.Credentials, error) {
				if activeAdmins <= 1 {
					return user, domain.ErrLastAdmin
				}
				if i%2 == 0 {
					user.Active = false
				} else {
					user.Role = domain.RoleUser
				}
				return user, nil
			})
			if errs[i] != nil && !errors.Is(errs[i], domain.ErrLastAdmin) {
				return errs[i]
			}
			return nil
		})
		last := slices.IndexFunc(errs[:], func(err error) bool { return err != nil })
		isTrue(t, last >= 0, "an admin stays")
		equal(t, activeAdmins(t, s), []domain.UserID{ids[last]})
		deactivate(t, s, ids[last]) // the next round starts without admins
	}
}

func activeAdmins(t *testing.T, s Stores) (ids []domain.UserID) {
	t.Helper()
	users, err := s.Users.ListUsers(t.Context(), 0, 10_000)
	ok(t, err)
	for _, user := range users {
		if user.Active && user.Role == domain.RoleAdmin {
			ids = append(ids, user.ID)
		}
	}
	return ids
}

func listsUsers(t *testing.T, s Stores) {
	ids := addUsers(t, s, 5)
	var read []domain.UserID
	for after := domain.UserID(0); ; {
		page, err := s.Users.ListUsers(t.Context(), after, 2)
		ok(t, err)
		isTrue(t, len(page) <= 2, "a page of at most two: %v", page)
		if len(page) == 0 {
			break
		}
		for _, user := range page {
			read = append(read, user.ID)
		}
		after = page[len(page)-1].ID
	}
	slices.Sort(ids)
	equal(t, read, ids)
}

func findsTakenNames(t *testing.T, s Stores) {
	anna, bella := addUser(t, s, "Anna", domain.RoleUser), addUser(t, s, "bella", domain.RoleUser)
	for _, tt := range []struct {
		id              domain.UserID
		username, email string
		want            error
	}{
		{0, "free", "free@example.com", nil},
		{0, "ANNA", "free@example.com", domain.ErrUsernameTaken},
		{0, "free", "anna@EXAMPLE.com", domain.ErrEmailTaken},
		{0, "anna", "bella@example.com", domain.ErrUsernameTaken},
		{0, "bella", "anna@example.com", domain.ErrUsernameTaken},
		{anna.ID, "anna", "anna@example.com", nil},
		{anna.ID, "anna", "bella@example.com", domain.ErrEmailTaken},
		{bella.ID, "anna", "", domain.ErrUsernameTaken},
		{bella.ID, "", "anna@example.com", domain.ErrEmailTaken},
		{bella.ID, "", "", nil},
	} {
		isError(t, s.Users.Free(t.Context(), tt.id, tt.username, tt.email), tt.want)
	}
}

func opensAndClosesWallet(t *testing.T, s Stores) {
	addOpenEvents(t, s, 1)
	inactive := newUser("inactive", domain.RoleUser)
	inactive.Active = false
	user, err := s.Users.Create(t.Context(), inactive)
	ok(t, err)
	isError(t, place(t, s, bet(user.ID, 1))[0].Err, domain.ErrUserInactive)
	_, err = updateUser(t.Context(), s, user.ID, func(user ports.Credentials, _ int) (ports.Credentials, error) {
		user.Active = true
		return user, nil
	})
	ok(t, err)
	placeBet(t, s, bet(user.ID, 1))
	deactivate(t, s, user.ID)
	isError(t, place(t, s, bet(user.ID, 1))[0].Err, domain.ErrUserInactive)
}

// LoginFailures is the suite of ports.LoginFailures.
func LoginFailures(t *testing.T, open Open) {
	run(t, open, map[string]func(*testing.T, Stores){
		"counts each subject's failures since a time": countsFailures,
		"counts concurrent failures":                  countsFailuresAtOnce,
		"forgets failures before a time":              forgetsFailures,
		"lifts the failures of a prefix":              liftsFailures,
		"remembers successes":                         remembersSuccesses,
	})
}

// failures returns the counts that are not zero.
func failures(t *testing.T, s Stores, since time.Time, subjects ...string) map[string]int {
	t.Helper()
	counts, err := s.LoginFailures.Failures(t.Context(), subjects, since)
	ok(t, err)
	for subject, count := range counts {
		if count == 0 {
			delete(counts, subject)
		}
	}
	return counts
}

func countsFailures(t *testing.T, s Stores) {
	ok(t, s.LoginFailures.AddFailure(t.Context(), []string{"anna", "10.0.0.1"}, past))
	ok(t, s.LoginFailures.AddFailure(t.Context(), []string{"anna", "10.0.0.2"}, past.Add(time.Second)))
	ok(t, s.LoginFailures.AddFailure(t.Context(), []string{"bella", "10.0.0.1"}, past.Add(2*time.Second)))

	equal(t, failures(t, s, past, "anna", "10.0.0.1"), map[string]int{"anna": 2, "10.0.0.1": 2})
	equal(t, failures(t, s, past.Add(time.Microsecond), "anna", "10.0.0.1"), map[string]int{"anna": 1, "10.0.0.1": 1})
	equal(t, failures(t, s, past.Add(time.Second), "anna", "bella", "10.0.0.2"), map[string]int{"anna": 1, "bella": 1, "10.0.0.2": 1})
	equal(t, failures(t, s, past, "missing"), map[string]int{})
	equal(t, failures(t, s, past), map[string]int{})
}

func countsFailuresAtOnce(t *testing.T, s Stores) {
	const attackers, tries = 8, 10
	together(t, attackers, func(i int) error {
		for range tries {
			if err := s.LoginFailures.AddFailure(t.Context(), []string{"anna", fmt.Sprintf("10.0.0.%d", i)}, past); err != nil {
				return err
			}
		}
		return nil
	})
	equal(t, failures(t, s, past, "anna", "10.0.0.3"), map[string]int{"anna": attackers * tries, "10.0.0.3": tries})
}

func forgetsFailures(t *testing.T, s Stores) {
	ok(t, s.LoginFailures.AddFailure(t.Context(), []string{"anna"}, past))
	ok(t, s.LoginFailures.AddFailure(t.Context(), []string{"anna"}, past.Add(time.Second)))
	ok(t, s.LoginFailures.ForgetFailures(t.Context(), past.Add(time.Second)))
	equal(t, failures(t, s, past, "anna"), map[string]int{"anna": 1})
}

func liftsFailures(t *testing.T, s Stores) {
	ok(t, s.LoginFailures.AddFailure(t.Context(), []string{"pair a%_ 1", "pair a%_ 2", "pair ab_ 1", "pair", "other pair a%_ 1"}, past))
	ok(t, s.LoginFailures.LiftFailures(t.Context(), "pair a%_ "))
	equal(t, failures(t, s, past, "pair a%_ 1", "pair a%_ 2", "pair ab_ 1", "pair", "other pair a%_ 1"),
		map[string]int{"pair ab_ 1": 1, "pair": 1, "other pair a%_ 1": 1})
}

func remembersSuccesses(t *testing.T, s Stores) {
	has := func(subject string, since time.Time) bool {
		found, err := s.LoginFailures.HasSuccess(t.Context(), subject, since)
		ok(t, err)
		return found
	}
	add := func(subject string, at, stale time.Time) {
		ok(t, s.LoginFailures.AddSuccess(t.Context(), subject, at, stale))
	}
	isTrue(t, !has("anna", time.Time{}), "nothing is recorded")
	add("anna", past, past)
	isTrue(t, has("anna", past), "a success is found at its time")
	isTrue(t, !has("anna", past.Add(time.Microsecond)), "a success is not found after its time")
	isTrue(t, !has("bella", time.Time{}), "another subject has none")
	add("anna", past.Add(time.Hour), past)
	isTrue(t, !has("anna", past.Add(time.Hour)), "a fresh success stays")
	add("anna", past.Add(time.Hour), past.Add(time.Microsecond))
	isTrue(t, has("anna", past.Add(time.Hour)), "a stale success is replaced")
	add("bella", past, past)
	ok(t, s.LoginFailures.ForgetSuccesses(t.Context(), past.Add(time.Second)))
	isTrue(t, has("anna", past) && !has("bella", time.Time{}), "the old success is forgotten")
	together(t, 8, func(int) error { return s.LoginFailures.AddSuccess(t.Context(), "clara", past, past) })
}
