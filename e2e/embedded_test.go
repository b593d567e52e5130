package e2e

import (
	"math/rand/v2"
	"testing"
	"time"

	"stavka.local/stavka/e2e/system"
)

// startEmbedded starts an embedded system with variables besides those of every test.
func startEmbedded(t *testing.T, env map[string]string) *system.System {
	t.Helper()
	return start(t, system.Options{Embedded: true, Env: env})
}

func TestEmbeddedStory(t *testing.T) {
	t.Parallel()
	tellStory(t, startEmbedded(t, nil))
}

func TestEmbeddedMoney(t *testing.T) {
	t.Parallel()
	handleMoney(t, startEmbedded(t, tight))
}

func TestEmbeddedRace(t *testing.T) {
	race(t, startEmbedded(t, fastSweep), scaled(t, 300))
}

func TestEmbeddedIdempotency(t *testing.T) {
	t.Parallel()
	repeatRequests(t, startEmbedded(t, nil))
}

func TestEmbeddedAuthorisation(t *testing.T) {
	t.Parallel()
	s := startEmbedded(t, tight)
	t.Run("authorisation", func(t *testing.T) { checkAuthorisation(t, s) })
	t.Run("authentication comes first", func(t *testing.T) { authenticationComesFirst(t, s) })
}

func TestEmbeddedHostileRequests(t *testing.T) {
	t.Parallel()
	refuseHostileRequests(t, startEmbedded(t, nil))
}

func TestEmbeddedContract(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(*testing.T, *system.System){
		"malformed requests":   refuseMalformed,
		"an inactive user":     refuseAnInactiveUser,
		"too many requests":    refuseTooManyRequests,
		"rules about users":    checkRulesAboutUsers,
		"guessing a password":  throttleGuessing,
		"signing out":          signOut,
		"the last admin":       keepTheLastAdmin,
		"rules of the line":    checkRulesOfTheLine,
		"a corrected result":   correctAResult,
		"bets after the fact":  voidPastPost,
		"lists":                walkLists,
		"the served documents": serveTheDocuments,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, startEmbedded(t, nil))
		})
	}
}

func TestEmbeddedCrashPoints(t *testing.T) {
	t.Parallel()
	dieAtCrashPoints(t, func(t *testing.T) *system.System {
		t.Helper()
		return startEmbedded(t, quick)
	})
}

// TestEmbeddedKills kills the process at random instants under load.
func TestEmbeddedKills(t *testing.T) {
	t.Parallel()
	s := startEmbedded(t, quick)
	w := newWitness(t, s, 8)
	stop := w.load(16, 2) // few, because bet-maker reads the whole line again after each kill
	p := s.Processes()[0]
	kills := max(10, scaled(t, 50))
	for range kills {
		wait(t, rand.N(time.Second))
		p.Kill()
		s.CheckFiles(t)
		p.Start()
		w.awaitProgress("the kill")
	}
	stop()
	t.Logf("the process was killed %d times", kills)
	w.check()
	p.Stop()
	s.CheckFiles(t)
}
