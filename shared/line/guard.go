package line

import (
	"fmt"
	"runtime/debug"
)

// Guard turns a panic of attempt into ErrPoison: the same message would cause it again.
func Guard(attempt func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: panic: %v\n%s", ErrPoison, r, debug.Stack())
		}
	}()
	return attempt()
}
