package httpapi

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"stavka.local/shared/httpedge"
)

// defaultLimit is how long a page is when the caller does not say.
const defaultLimit = 50

func limitOr(asked int) int {
	if asked == 0 {
		return defaultLimit
	}
	return asked
}

// cut returns the first limit of items that were asked for with one more, and the last
// of them when there are more.
func cut[T any](items []T, limit int) (page []T, last *T) {
	if len(items) <= limit {
		return items, nil
	}
	return items[:limit], &items[limit-1]
}

// nextLink links to the page that starts after, with the same filters.
func nextLink(path string, filters url.Values, after string, limit int) *string {
	filters.Set("after", after)
	filters.Set("limit", strconv.Itoa(limit))
	link := "<" + path + "?" + filters.Encode() + `>; rel="next"`
	return &link
}

// writePage answers with a page that is encoded already.
func writePage(w http.ResponseWriter, body []byte, link *string) error {
	w.Header().Set("Content-Type", "application/json")
	if link != nil {
		w.Header().Set("Link", *link)
	}
	_, err := w.Write(body)
	return err
}

// formatCursor returns where a page ended as a text that invites nobody to make his own.
func formatCursor(id int64) string {
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, id, 10))
}

// parseCursor is the inverse of formatCursor, and returns 0 for no cursor. What
// formatCursor cannot have returned is refused as an invalid request.
func parseCursor(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	id, err := decodeCursor(text)
	if err != nil {
		return 0, httpedge.ErrInvalidRequest.Detailf("after must come from the Link of a page.").With("field", "after").Because(err)
	}
	return id, nil
}

func decodeCursor(text string) (int64, error) {
	digits, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return 0, fmt.Errorf("decode the cursor: %w", err)
	}
	id, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the cursor: %w", err)
	}
	if id < 1 || formatCursor(id) != text {
		return 0, fmt.Errorf("the cursor %q is not one of ours", text)
	}
	return id, nil
}
