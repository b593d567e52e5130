// Package plaintext holds the one rule for texts that a person reads: names, references and reasons.
// What a person sees must be all that there is. So such a text holds no control characters, no line
// breaks, none that turn the direction of others, and none that cannot be seen; and it is not blank.
package plaintext

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// freeform knows the characters that RFC 8264 allows in texts for people.
var freeform = precis.NewFreeform()

// Problem returns what is wrong with a text, such as "must not be blank", or "" if nothing is.
func Problem(text string) string {
	if !utf8.ValidString(text) {
		return "must be valid UTF-8"
	}
	if strings.TrimFunc(text, isBlank) == "" {
		return "must not be blank"
	}
	if _, err := freeform.String(withoutEmojiJoiners(text)); err != nil {
		return "must not hold control characters or invisible ones"
	}
	return ""
}

const (
	brailleBlank     = '\u2800' // a symbol without ink
	zeroWidthJoiner  = '\u200d'
	emojiPresentable = '\ufe0f' // asks for a symbol in colours
	keycap           = '\u20e3'
)

func isBlank(r rune) bool { return unicode.IsSpace(r) || r == brailleBlank }

// withoutEmojiJoiners returns a text without the invisible characters of which keyboards compose
// emojis. RFC 8264 does not know them. Elsewhere they stay.
func withoutEmojiJoiners(text string) string {
	if !strings.ContainsAny(text, string([]rune{zeroWidthJoiner, emojiPresentable})) {
		return text
	}
	runes := []rune(text)
	kept := make([]rune, 0, len(runes))
	for i, r := range runes {
		var before, after rune
		if len(kept) > 0 {
			before = kept[len(kept)-1]
		}
		if i+1 < len(runes) {
			after = runes[i+1]
		}
		switch {
		case r == emojiPresentable && (isSymbol(before) || after == keycap):
		case r == zeroWidthJoiner && isSymbol(before) && isSymbol(after):
		default:
			kept = append(kept, r)
		}
	}
	return string(kept)
}

func isSymbol(r rune) bool {
	return unicode.In(r, unicode.So, unicode.Sk, unicode.Sm) && r > unicode.MaxLatin1
}
