package app

import (
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
	"stavka.local/shared/health"
)

// The numbers of remembered tokens and users. They save most requests the check of a signature and
// the look-up of the user.
const (
	rememberedTokens = 100_000
	rememberedUsers  = 100_000
)

// access holds the use cases that decide which requests are let in.
type access struct {
	authenticator *usecase.Authenticator
	recent        *usercache.Users
	login         *usecase.Login
	throttle      *usecase.LoginThrottle
	users         *usecase.Users
}

func newAccess(c Config, s *store, m *meters, log *slog.Logger) (*access, error) {
	tokens, err := jwt.New(jwt.Config{Algorithm: c.Algorithm, Secret: []byte(c.SecretKey.Reveal()), TTL: c.TokenTTL})
	if err != nil {
		return nil, fmt.Errorf("set up tokens: %w", err)
	}
	remembered := jwt.NewCache(tokens, rememberedTokens)
	// While passwords are being guessed, half of the processors stay free for bets.
	passwords := argon2id.New(runtime.GOMAXPROCS(0) / 2)
	throttle := usecase.NewLoginThrottle(s.LoginFailures, time.Now, log)
	throttle.Checked = m.passwordCheck
	recent := usercache.New(s.Users.User, rememberedUsers)
	return &access{
		authenticator: &usecase.Authenticator{Tokens: remembered, Users: recent},
		recent:        recent,
		login: &usecase.Login{
			Users: s.Users, Passwords: passwords, Tokens: remembered, Throttle: throttle, Logger: log,
		},
		throttle: throttle,
		users:    &usecase.Users{Store: s.Users, Passwords: passwords.Behind(), Throttle: throttle, Opening: c.Opening},
	}, nil
}

// newHandler returns the handler of bet-maker's whole HTTP interface.
func newHandler(c Config, b *base, u *useCases, checks *health.Registry) (http.Handler, error) {
	handler, err := httpapi.New(httpapi.Dependencies{
		Authenticator: u.access.authenticator, Login: u.access.login, Users: u.access.users,
		Placer: u.placer, Catalogue: u.catalogue, Bets: b.store.Bets,
		Wallets:    usecase.Wallets{Store: b.store.Wallets},
		CancelBet:  usecase.CancelBet{Settlements: b.store.Settlements, Window: c.CancelWindow},
		Voids:      usecase.Voids{Events: b.store.Events, Revised: u.settler.Wake},
		AuditLog:   usecase.AuditLog{Store: b.store.AuditLog},
		BetsAtOnce: c.BetsAtOnce, RequestsPerSecond: c.RequestsPerSecond, BetsPerSecond: c.BetsPerSecond,
		TrustedProxies: c.TrustedProxies, Prepared: b.prepared.done, Health: checks, Metrics: b.meters.Registry,
		MetricsElsewhere: c.MetricsAddr != "",
	})
	if err != nil {
		return nil, fmt.Errorf("set up HTTP: %w", err)
	}
	return handler, nil
}
