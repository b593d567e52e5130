package httpedge

import (
	"fmt"
	"net/http"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
)

// compressFrom is the size of the shortest answer that is worth compressing, in bytes.
const compressFrom = 2 << 10

// newCompressor returns a middleware that compresses long answers for clients that take gzip. It is for
// answers that may be long: short ones pass through a buffer, which costs time.
func newCompressor() (func(http.Handler) http.Handler, error) {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(compressFrom), gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.EnableZstd(false))
	if err != nil {
		return nil, fmt.Errorf("set up compression: %w", err)
	}
	return func(next http.Handler) http.Handler { return wrap(next) }, nil
}
