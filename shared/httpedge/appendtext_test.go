package httpedge

import (
	"encoding/json"
	"testing"
)

func TestAppendTextIsWhatEncodingJSONWrites(t *testing.T) {
	t.Parallel()
	texts := []string{"", "plain words", "😀", "\xff", "caf\xc3", `a "quote" \ and <b>&amp;</b>`}
	for r := range rune(0x10000) {
		texts = append(texts, "a"+string(r)+"b")
	}
	for _, text := range texts {
		want, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendText([]byte("before "), text); string(got) != "before "+string(want) {
			t.Errorf("%q is written %s, want %s", text, got, want)
		}
	}
}
