package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"stavka.local/betmaker/internal/adapters/argon2id"
	"stavka.local/betmaker/internal/adapters/httpapi"
	"stavka.local/betmaker/internal/adapters/jwt"
	"stavka.local/betmaker/internal/adapters/usercache"
	"stavka.local/betmaker/internal/usecase"
)

// How many tokens and users are remembered, so that not every request checks a
// signature and asks the store who sends it.
const (
	rememberedTokens = 100_000
	rememberedUsers  = 100_000
)

// access is what decides who may come in.
type access struct {
	authenticator *usecase.Authenticator
	recent        *usercache.Users
	login         *usecase.Login
	throttle      *usecase.LoginThrottle
	users         *usecase.Users
}

func newAccess(c Config, s *store, log *slog.Logger) (*access, error) {
	tokens, err := jwt.New(jwt.Config{Algorithm: c.Algorithm, Secret: []byte(c.SecretKey.Reveal()), TTL: c.TokenTTL})
	if err != nil {
		return nil, fmt.Errorf("set up tokens: %w", err)
	}
	remembered := jwt.NewCache(tokens, rememberedTokens)
	// Half of the processors stay free for bets while passwords are being guessed.
	passwords := argon2id.New(runtime.GOMAXPROCS(0) / 2)
	throttle := usecase.NewLoginThrottle(s.LoginFailures, time.Now, log)
	recent := usercache.New(s.Users.User, rememberedUsers)
	return &access{
		authenticator: &usecase.Authenticator{Tokens: remembered, Users: recent},
		recent:        recent,
		login: &usecase.Login{
			Users: s.Users, Passwords: passwords, Tokens: remembered, Throttle: throttle, Logger: log,
		},
		throttle: throttle,
		users:    &usecase.Users{Store: s.Users, Passwords: passwords, Opening: c.Opening},
	}, nil
}

// newHandler returns the handler of everything that bet-maker answers.
func (a *App) newHandler(
	c Config, s *store, who *access, catalogue *usecase.Catalogue, placer *usecase.Placer,
	settler *usecase.Settler, m *meters,
) (http.Handler, error) {
	handler, err := httpapi.New(httpapi.Dependencies{
		Authenticator: who.authenticator, Login: who.login, Users: who.users,
		Placer: placer, Catalogue: catalogue, Bets: s.Bets,
		Wallets:        usecase.Wallets{Store: s.Wallets},
		CancelBet:      usecase.CancelBet{Settlements: s.Settlements, Window: c.CancelWindow},
		Voids:          usecase.Voids{Events: s.Events, Revised: settler.Wake},
		AuditLog:       usecase.AuditLog{Store: s.AuditLog},
		TrustedProxies: c.TrustedProxies, Prepared: a.prepared, Health: a.health, Metrics: m.Registry,
	})
	if err != nil {
		return nil, fmt.Errorf("set up HTTP: %w", err)
	}
	return handler, nil
}

// ensureFirstUser creates the admin whom the configuration names.
func ensureFirstUser(ctx context.Context, users *usecase.Users, first FirstUser, log *slog.Logger) error {
	return users.EnsureFirst(ctx, usecase.FirstUser{
		Name: first.Name, Username: first.Username, Email: first.Email, Password: first.Password.Reveal(),
	}, log)
}
