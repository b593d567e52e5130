// Package stavka is the root of the repository. It holds what concerns all of Stavka:
// the rules of its architecture, which arch_test.go checks, and, in e2e, its story as
// seen from outside.
package stavka
