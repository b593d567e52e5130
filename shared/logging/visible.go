package logging

import (
	"fmt"
	"io"
	"log/slog"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// maxText is how many characters of a text are logged.
	maxText = 256
	// maxError is the same for errors, which may hold the stack of a panic, and for messages.
	maxError = 8192
)

// cut returns the first n characters of a text, with "..." after them if there were more.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for i := range text {
		if n--; n < 0 {
			return text[:i] + "..."
		}
	}
	return text
}

// cutAttr cuts the texts of an attribute.
func cutAttr(a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(cut(v, maxText))
	case []slog.Attr:
		a.Value = slog.GroupValue(cutAttrs(v)...)
	case slog.LogValuer:
		a.Value = a.Value.Resolve()
		return cutAttr(a)
	case error:
		a.Value = slog.StringValue(cut(text(v), maxError))
	}
	return a
}

// text returns the text of an error, also of one whose method panics.
func text(err error) (s string) {
	defer func() {
		if v := recover(); v != nil {
			s = fmt.Sprintf("an error of type %T without a text", err)
		}
	}()
	return err.Error()
}

func cutAttrs(attrs []slog.Attr) []slog.Attr {
	shorter := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		shorter = append(shorter, cutAttr(a))
	}
	return shorter
}

// isLong reports whether a record may have a text to cut. Few have.
func isLong(record slog.Record) bool {
	long := len(record.Message) > maxError
	record.Attrs(func(a slog.Attr) bool {
		kind := a.Value.Kind()
		long = long || kind == slog.KindGroup || kind == slog.KindLogValuer ||
			kind == slog.KindString && len(a.Value.String()) > maxText
		if kind == slog.KindAny {
			_, isError := a.Value.Any().(error)
			long = long || isError
		}
		return !long
	})
	return long
}

func cutRecord(record slog.Record) slog.Record {
	shorter := slog.NewRecord(record.Time, record.Level, cut(record.Message, maxError), record.PC)
	record.Attrs(func(a slog.Attr) bool {
		shorter.AddAttrs(cutAttr(a))
		return true
	})
	return shorter
}

// visible writes lines in which a person sees everything that is there. It escapes control characters,
// those that turn the direction of others, and those that cannot be seen: as \u0085 or, beyond the first
// 65,536 characters, as a pair of them. The line feed that ends a line stays.
type visible struct{ next io.Writer }

// Write implements io.Writer for one line.
func (v visible) Write(line []byte) (int, error) {
	content := line
	if n := len(line); n > 0 && line[n-1] == '\n' {
		content = line[:n-1]
	}
	first := 0
	for first < len(content) && content[first] >= ' ' && content[first] < 0x7f {
		first++
	}
	if first == len(content) {
		return v.next.Write(line)
	}
	escaped := append(make([]byte, 0, len(line)+64), content[:first]...)
	for rest := content[first:]; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case !isHidden(r):
			escaped = append(escaped, rest[:size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, high, low)
		default:
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		}
		rest = rest[size:]
	}
	escaped = append(escaped, line[len(content):]...)
	if _, err := v.next.Write(escaped); err != nil {
		return 0, err
	}
	return len(line), nil
}

const brailleBlank = '\u2800' // a symbol without ink

// isHidden reports whether a person does not see a character, or sees others differently because of it.
func isHidden(r rune) bool {
	return !unicode.IsPrint(r) || r == brailleBlank || r == utf8.RuneError ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
