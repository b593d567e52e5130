package httpapi

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"stavka.local/shared/httpedge"
)

// defaultLimit is the length of a page if the request does not name one.
const defaultLimit = 50

func limitOr(limit int) int {
	if limit == 0 {
		return defaultLimit
	}
	return limit
}

// cut returns the first limit items. If there are more, last is the last of them.
func cut[T any](items []T, limit int) (page []T, last *T) {
	if len(items) <= limit {
		return items, nil
	}
	return items[:limit], &items[limit-1]
}

// nextLink returns the link to the page after the given cursor with the same filters.
func nextLink(path string, filters url.Values, after string, limit int) *string {
	filters.Set("after", after)
	filters.Set("limit", strconv.Itoa(limit))
	link := "<" + path + "?" + filters.Encode() + `>; rel="next"`
	return &link
}

// writePage answers with an encoded page.
func writePage(w http.ResponseWriter, body []byte, link *string) error {
	w.Header().Set("Content-Type", "application/json")
	if link != nil {
		w.Header().Set("Link", *link)
	}
	_, err := w.Write(body)
	return err
}

// formatCursor returns the end of a page as an opaque text.
func formatCursor(id int64) string {
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, id, 10))
}

// parseCursor is the inverse of formatCursor. It returns 0 for no cursor, and an invalid request
// for a text that formatCursor cannot have returned.
func parseCursor(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	id, err := decodeCursor(text)
	if err != nil {
		return 0, httpedge.ErrInvalidRequest.Detailf("after must come from the Link of a page.").With("field", "after")
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
		return 0, fmt.Errorf("the cursor %q was not made by formatCursor", text)
	}
	return id, nil
}
