// Package profiling serves profiles at PROFILING_ADDR in a program that is built with the tag
// profiling and imports it. The benchmark uses an address of the loopback interface. Released
// programs do not contain it.
package profiling
