//go:build profiling

package main

import _ "stavka.local/shared/profiling" // serves profiles
