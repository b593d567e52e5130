//go:build compose

package e2e

import (
	"cmp"
	"os"
	"testing"

	"stavka.local/stavka/e2e/system"
)

// TestCompose tells the story to the system that `docker compose up` has started, with
// the defaults of docker-compose.yml. `make test-compose` starts it, runs this, and
// takes it down.
func TestCompose(t *testing.T) {
	port := func(variable, standard string) string {
		return "http://127.0.0.1:" + cmp.Or(os.Getenv(variable), standard)
	}
	tellStory(t, system.Attach(t, port("BETMAKER_PORT", "8000"), port("LINEPROVIDER_PORT", "8001"), map[string]string{
		"FIRST_USER_USERNAME":   "string",
		"FIRST_USER_PASSWORD":   "string",
		"TOKEN_EXPIRED_MINUTES": "3600",
		"LINE_PROVIDER_TOKEN":   "f3fb8928bad49887d2089f5ad04c2cb634bb1980db77fc8c3b111edad34f4eb7",
	}))
}
