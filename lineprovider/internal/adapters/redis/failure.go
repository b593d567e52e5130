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

// isReply reports whether err is an error reply of the server.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// isTransient reports whether an operation may succeed later, on this server or the next one: the
// server was not reached, did not answer, or replied that it cannot serve now. Other error replies
// mean that the scripts do not fit the data.
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

// libraryLog logs the library's messages at debug level. They are about broken connections, which the
// failed operations report themselves.
type libraryLog struct{}

// Printf implements the library's interface of a logger.
func (libraryLog) Printf(ctx context.Context, format string, args ...any) {
	slog.DebugContext(ctx, fmt.Sprintf(format, args...), "component", "go-redis")
}

// setLibraryLog sets the library's logger, which is global to the process.
var setLibraryLog = sync.OnceFunc(func() { redis.SetLogger(libraryLog{}) })
