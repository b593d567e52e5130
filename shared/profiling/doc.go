// Package profiling serves profiles at PROFILING_ADDR in a program that is built with the tag
// profiling and imports it. The benchmark keeps the address on the loopback interface. Nothing of
// it is in a released program.
package profiling
