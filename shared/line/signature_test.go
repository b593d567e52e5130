package line_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"stavka.local/shared/line"
)

func newKeys(t testing.TB, tokens ...string) *line.Keys {
	t.Helper()
	keys, err := line.NewKeys(tokens...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestKeys(t *testing.T) {
	t.Parallel()
	const id = "d.1:42"
	body := []byte(`{"epoch":"d.1","last_seq":42,"sent_at":1737178402250}`)
	keys := newKeys(t, "current", "old")
	signature := keys.Sign(line.TypeChange, id, body)

	t.Run("accept what they signed, again and again", func(t *testing.T) {
		t.Parallel()
		for range 3 {
			if err := keys.Verify(line.TypeChange, id, body, signature); err != nil {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("sign under the first token", func(t *testing.T) {
		t.Parallel()
		if got := newKeys(t, "current").Sign(line.TypeChange, id, body); got != signature {
			t.Errorf("got %s, want %s", got, signature)
		}
		if got := newKeys(t, "old", "current").Sign(line.TypeChange, id, body); got == signature {
			t.Error("a signature under the second token equals that under the first")
		}
	})

	tests := map[string]struct {
		messageType, id string
		body            []byte
		signature       string
		want            string // in the error; empty for no error
	}{
		"under the second token":  {line.TypeChange, id, body, newKeys(t, "old").Sign(line.TypeChange, id, body), ""},
		"under a foreign token":   {line.TypeChange, id, body, newKeys(t, "foreign").Sign(line.TypeChange, id, body), "not under an accepted"},
		"of another type":         {line.TypeHeartbeat, id, body, signature, "not under an accepted"},
		"of another id":           {line.TypeChange, "d.1:43", body, signature, "not under an accepted"},
		"of no id":                {line.TypeChange, "", body, signature, "not under an accepted"},
		"of a longer body":        {line.TypeChange, id, append(bytes.Clone(body), ' '), signature, "not under an accepted"},
		"of no body":              {line.TypeChange, id, nil, signature, "not under an accepted"},
		"of the id in the body":   {line.TypeChange, id[:2], append([]byte(id[2:]), body...), signature, "not under an accepted"},
		"of the body in the id":   {line.TypeChange, id + string(body[:1]), body[1:], signature, "not under an accepted"},
		"of the type in the id":   {line.TypeChange[:5], line.TypeChange[5:] + id, body, signature, "not under an accepted"},
		"missing":                 {line.TypeChange, id, body, "", "no signature"},
		"cut off":                 {line.TypeChange, id, body, signature[:62], "not of 32 bytes"},
		"longer":                  {line.TypeChange, id, body, signature + "00", "not of 32 bytes"},
		"no digits":               {line.TypeChange, id, body, strings.Repeat("x", 64), "not of 32 bytes"},
		"the token":               {line.TypeChange, id, body, "current", "not of 32 bytes"},
		"of another byte in each": {line.TypeChange, id, body, strings.Repeat("00", 32), "not under an accepted"},
	}
	for name, test := range tests {
		t.Run("a signature "+name, func(t *testing.T) {
			t.Parallel()
			err := keys.Verify(test.messageType, test.id, test.body, test.signature)
			if test.want == "" {
				if err != nil {
					t.Errorf("got %v, want nil", err)
				}
				return
			}
			if !errors.Is(err, line.ErrForged) || !errors.Is(err, line.ErrPoison) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want ErrForged that says %q", err, test.want)
			}
			if strings.Contains(err.Error(), "d.1") || strings.Contains(err.Error(), "current") {
				t.Errorf("the error shows the message or the token: %v", err)
			}
		})
	}
}

// Every byte of a body and of its signature counts.
func TestTampering(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "token")
	body := []byte(`{"epoch":"d.1","event_id":1,"coefficient":1.45,"deadline":1737178310,"state":1,"create_date":1737173310,` +
		`"update_date":1737173310,"name":null,"suspended":false,"version":1,"seq":1,"result_revision":0,"effective_at":null}`)
	signature := []byte(keys.Sign(line.TypeChange, "d.1:1", body))
	for _, part := range [][]byte{body, signature} {
		for i := range part {
			part[i] ^= 1
			if err := keys.Verify(line.TypeChange, "d.1:1", body, string(signature)); !errors.Is(err, line.ErrForged) {
				t.Errorf("byte %d of %.10s... changed: %v, want ErrForged", i, part, err)
			}
			part[i] ^= 1
		}
	}
	if err := keys.Verify(line.TypeChange, "d.1:1", body, string(signature)); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

func TestVerifyRefusesLargeBodiesUnread(t *testing.T) {
	t.Parallel()
	keys := newKeys(t, "token")
	body := make([]byte, line.MaxBody+1)
	err := keys.Verify(line.TypeChange, "", body, keys.Sign(line.TypeChange, "", body))
	if !errors.Is(err, line.ErrPoison) || errors.Is(err, line.ErrForged) || !strings.Contains(err.Error(), "more than 65536") {
		t.Errorf("got %v, want ErrPoison that says it is too large", err)
	}
}

func TestNewKeysNeedsTokens(t *testing.T) {
	t.Parallel()
	for _, tokens := range [][]string{nil, {""}, {"token", ""}} {
		if _, err := line.NewKeys(tokens...); err == nil {
			t.Errorf("keys of %q are made, want an error", tokens)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	keys := newKeys(b, "token")
	body := bytes.Repeat([]byte("x"), 300)
	signature := keys.Sign(line.TypeChange, "d.1:1", body)
	for b.Loop() {
		if err := keys.Verify(line.TypeChange, "d.1:1", body, signature); err != nil {
			b.Fatal(err)
		}
	}
}
