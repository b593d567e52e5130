package httpedge

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
)

func TestHasHalfCharacter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`"plain"`:                    false,
		`"\u00e9\n\\"`:               false,
		`"\ud83d\ude00"`:             false,
		`"\uD83D\uDE00\ud83d\ude00"`: false,
		`"\\ud800"`:                  false, // an escaped backslash, then letters
		`"\ud800"`:                   true,
		`"\udc00"`:                   true,
		`"\udc00\ud800"`:             true,
		`"\ud800\ud800\udc00"`:       true,
		`"\ud800x\udc00"`:            true,
		`"\ud800\n"`:                 true,
		`"\ud8`:                      false, // not JSON, which is not checked here
		`"\`:                         false,
	} {
		if got := hasHalfCharacter([]byte(text)); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
	}
}

// FuzzParseJSON checks that parseJSON accepts JSON only, and returns the same value as encoding/json.
func FuzzParseJSON(f *testing.F) {
	for _, text := range []string{
		`{"event_id":1,"amount":10.00,"note":null}`, `[1,[2,{"a":[]}],"x",true,false,null,-0.5e-7]`, `{"a":1,"a":2}`,
		`{"a":1,}`, `[1 2]`, `{"a" 1}`, `{`, `"\ud83d\ude00"`, `"\ud800"`, "\"\xff\"", `"\u0000"`, "", " 1 ", "1 2",
		strings.Repeat("[", 20) + strings.Repeat("]", 20), `{"a":{"a":{"a":{}}}}`, "\ufeff1", `{1:2}`, `{"a":}`, `[,]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parseJSON(data, &openapi3.Schema{})
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		var want any
		wantErr := decoder.Decode(&want)
		if err != nil {
			if got != nil {
				t.Fatalf("%q: a value beside error %v", data, err)
			}
			return
		}
		if wantErr != nil || !json.Valid(data) || !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
			t.Fatalf("%q is accepted: %v", data, wantErr)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %v, want %v", data, got, want)
		}
	})
}
