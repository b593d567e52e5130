package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// isReply tells whether the server answered, and the answer is an error.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// isTransient tells whether an operation may succeed later, on this server or the
// next: it was not reached, it did not answer, or it says that it cannot now.
// Other answers mean that our scripts and its data do not fit.
func isTransient(err error) bool {
	if errors.Is(err, errTooFewReplicas) || errors.Is(err, ErrNotDurable) {
		return true
	}
	if isReply(err) {
		code, _, _ := strings.Cut(err.Error(), " ")
		switch code {
		case "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "OOM", "MISCONF",
			"NOREPLICAS", "NOAUTH", "WRONGPASS", "NOPERM", "UNKILLABLE":
			return true
		}
		return false
	}
	var network net.Error
	return errors.As(err, &network) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) ||
		errors.Is(err, redis.ErrClosed)
}

// libraryLog passes what the library has to say on at debug level: it is about
// connections that broke, which whoever used them reports in its own words.
type libraryLog struct{}

// Printf implements the library's interface of a log.
func (libraryLog) Printf(ctx context.Context, format string, args ...any) {
	slog.DebugContext(ctx, fmt.Sprintf(format, args...), "component", "go-redis")
}

// setLibraryLog sets the library's log, of which there is one for the process.
var setLibraryLog = sync.OnceFunc(func() { redis.SetLogger(libraryLog{}) })
