package rabbitmq_test

import (
	"testing"

	"go.uber.org/goleak"
)

// No goroutine outlives the tests, of the package or of the library.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
