//go:build !crashpoints

package crashpoint_test

import (
	"testing"

	"stavka.local/shared/crashpoint"
)

// TestHitDoesNothingWithoutTheTag is not parallel, because of the environment.
func TestHitDoesNothingWithoutTheTag(t *testing.T) {
	t.Setenv(crashpoint.Variable, "relay.published")
	if crashpoint.Enabled {
		t.Error("crash points are compiled in without the build tag")
	}
	crashpoint.Hit("relay.published")
}
