//go:build profiling

package service

import _ "stavka.local/shared/profiling" // serves profiles in every program
