package rabbitmq_test

import (
	"testing"

	"go.uber.org/goleak"
)

// Whoever starts a goroutine waits for it, and so does the library.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
