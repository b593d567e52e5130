//go:build unix

package httpedge

import "syscall"

// connectableFiles returns how many connections may be open so that files are left for everything else
// that the process opens; 0 if it is not known. The Go runtime has raised the limit as far as it may.
func connectableFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	files := int(min(limit.Cur, 1<<30))
	return max(files-max(files/8, 64), 1)
}
