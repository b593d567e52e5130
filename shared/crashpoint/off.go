//go:build !crashpoints

package crashpoint

// Enabled reports whether crash points are compiled in.
const Enabled = false

// Hit does nothing: crash points are not compiled in.
func Hit(string) {}
