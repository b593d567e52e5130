package plaintext

import "testing"

func TestProblem(t *testing.T) {
	t.Parallel()
	const blank, hidden, broken = "must not be blank", "must not hold control characters or invisible ones", "must be valid UTF-8"
	for text, want := range map[string]string{
		"Reds - Blues":    "",
		"Анна Мария":      "",
		"e\u0301t\u0301":  "",
		"€ 5 \u2013 ½ 𝔄":  "",
		"می\u200cخواهم":   "", // joiners that change the letters
		"क्\u200dष":       "",
		"⚽\ufe0f Reds":    "",
		"1\ufe0f\u20e3":   "",
		"👨\u200d👩\u200d👧": "",
		"👩🏽\u200d⚕\ufe0f": "",
		"":                blank,
		" \t":             blank,
		"\u00a0\u3000":    blank,
		"\u2800":          blank,
		"a\nb":            hidden,
		"a\x00":           hidden,
		"a\u0085b":        hidden, // C1
		"a\u202eb":        hidden, // turns the direction
		"a\u2066b\u2069":  hidden,
		"a\u061cb":        hidden,
		"a\u200bb":        hidden,
		"a\u200db":        hidden,
		"محمد\u200cرضا":   hidden, // a joiner after a letter that does not join
		"a\u00adb":        hidden,
		"a\ufeffb":        hidden,
		"a\ufe0fb":        hidden,
		"\u3164":          hidden,
		"a\u2028b":        hidden,
		"a\U000e0041b":    hidden,
		"\ue000":          hidden,
		"a\xff":           broken,
		"⚽\u200d":         hidden,
	} {
		if got := Problem(text); got != want {
			t.Errorf("%+q: got %q, want %q", text, got, want)
		}
	}
}
