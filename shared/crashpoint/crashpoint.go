// Package crashpoint names the places at which a test kills the process, to
// show that nothing is lost there.
//
//	crashpoint.Hit("relay.published")
//
// Without the build tag "crashpoints" that is an empty function which the
// compiler removes. With it, the process kills itself with SIGKILL, as a power
// cut would, when the environment says STAVKA_CRASH_POINT=relay.published, or,
// with STAVKA_CRASH_POINT=relay.published:3, at the third time it comes by.
package crashpoint

// Variable is the environment variable that names the point to crash at.
const Variable = "STAVKA_CRASH_POINT"
