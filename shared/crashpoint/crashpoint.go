// Package crashpoint marks places at which a test kills the process, to show that
// nothing is lost there.
//
//	crashpoint.Hit("relay.published")
//
// Without the build tag "crashpoints" Hit is an empty function, which the compiler
// removes. With the tag, the process kills itself with SIGKILL, as a power cut
// would, when STAVKA_CRASH_POINT is relay.published. With relay.published:3 it does
// so at the third call.
package crashpoint

// Variable is the environment variable that names the point to crash at.
const Variable = "STAVKA_CRASH_POINT"
