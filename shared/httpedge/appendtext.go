package httpedge

import (
	"encoding/json"
	"strings"
)

// AppendText appends a text as encoding/json writes it. It is faster for a text that needs no
// escaping.
func AppendText(b []byte, text string) []byte {
	escaped := func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`"\<>&`, r) }
	if !strings.ContainsFunc(text, escaped) {
		return append(append(append(b, '"'), text...), '"')
	}
	quoted, _ := json.Marshal(text) //nolint:errchkjson // every string has a JSON form
	return append(b, quoted...)
}
