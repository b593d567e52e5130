package httpedge

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"stavka.local/shared/fault"
)

// maxShown is the longest wrong value that a problem shows, in characters.
const maxShown = 40

// violation is why a request is refused, for the log. It holds no value that the client sent, because
// any value may be a password.
type violation struct {
	field string // of the document; "" for one that the client invented
	rule  string
}

// Error implements error.
func (v *violation) Error() string {
	if v.field == "" {
		return "a name that is not in the document " + v.rule
	}
	return v.field + " " + v.rule
}

// invalid returns a fault about one field of the document. what holds nothing that the client sent.
func invalid(field, what string) *fault.Error { return invalidValue(field, what, "") }

// invalidValue is invalid with the end of the sentence, which may show the value to the client. The log
// does not have it.
func invalidValue(field, what, shown string) *fault.Error {
	return ErrInvalidRequest.Detailf("%s %s%s.", field, what, shown).With("field", field).Because(&violation{field, what})
}

// unknown is invalid for a name that the client invented, which the log does not have.
func unknown(name, what string) *fault.Error {
	return invalid(name, what).Because(&violation{rule: what})
}

// itIs returns the end of a sentence that shows a wrong value, or "" for a value that is too long.
func itIs(value string) string {
	if value == "" || utf8.RuneCountInString(value) > maxShown {
		return ""
	}
	return "; it is " + value
}

// printable returns a name from a request in a form that is safe to show.
func printable(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	if runes := []rune(name); len(runes) > maxShown {
		name = string(runes[:maxShown]) + "..."
	}
	return strings.Trim(strconv.Quote(name), `"`)
}

// explain turns an error of kin-openapi into a fault about a field: the one at the error's path, or
// whole without a path. sent is the value that was checked, or nil if it is not known. The texts of
// kin-openapi contain schemas and values, which may be passwords, so they go nowhere.
func explain(whole string, sent any, err error) error {
	var schemaError *openapi3.SchemaError
	if !errors.As(err, &schemaError) {
		return invalid(whole, "is malformed")
	}
	for { // down to the innermost error, below oneOf and the like
		var inner *openapi3.SchemaError
		if schemaError.Origin == nil || !errors.As(schemaError.Origin, &inner) {
			break
		}
		schemaError = inner
	}
	path := schemaError.JSONPointer()
	switch number := at(sent, path).(type) {
	case json.Number, int64:
		schemaError.Value = number // instead of kin-openapi's own reading
	}
	name, isUnknown := unknownField(schemaError)
	if isUnknown {
		path = append(path, name)
	}
	for i := range path {
		path[i] = printable(path[i])
	}
	field := whole
	if len(path) > 0 {
		field = fieldName(path)
	}
	what, shown := sentence(schemaError)
	if isUnknown {
		return unknown(field, what)
	}
	return invalidValue(field, what, shown)
}

// at returns the value at a path, or nil.
func at(value any, path []string) any {
	for _, name := range path {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// unknownField returns the name of the alphabetically first field that is not in the schema, if e is
// about such a field. The error's path does not contain it.
func unknownField(e *openapi3.SchemaError) (string, bool) {
	object, ok := e.Value.(map[string]any)
	if !ok || e.SchemaField != "properties" {
		return "", false
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if e.Schema.Properties[name] == nil {
			return name, true
		}
	}
	return "", false
}

// sentence describes what is wrong with the value of a field, and shows the value. It follows the field's
// name.
func sentence(e *openapi3.SchemaError) (what, shown string) {
	s := e.Schema
	shown = itIs(show(e))
	switch e.SchemaField {
	case "required":
		return "is missing", ""
	case "properties":
		return "is not a known field", ""
	case "nullable":
		return "must not be null", ""
	case "type":
		return "must be " + typeName(s), shown
	case "enum":
		return "must be one of " + list(s.Enum), shown
	case "minimum":
		return "must be at least " + number(s.Min), shown
	case "maximum":
		return "must be at most " + number(s.Max), shown + unitHint(number(s.Max), show(e))
	case "exclusiveMinimum":
		return "must be more than " + number(s.Min), shown
	case "exclusiveMaximum":
		return "must be less than " + number(s.Max), shown
	case "minLength":
		return "must have at least " + characters(s.MinLength), shown
	case "maxLength":
		return "must have at most " + characters(*s.MaxLength), ""
	case "minItems":
		return fmt.Sprintf("must have at least %d items", s.MinItems), ""
	case "maxItems":
		return fmt.Sprintf("must have at most %d items", *s.MaxItems), ""
	case "minProperties":
		return fmt.Sprintf("must have at least %d field", s.MinProps), ""
	case "format":
		return "is not a valid " + s.Format, shown
	case "pattern":
		return "does not have the form it should", shown
	default:
		return "is not acceptable", shown
	}
}

// show returns the wrong value as the client wrote it, or "" for a value that must not be shown, such
// as a secret, or a text in the place of an object, which may hold one. Of an array or object it returns
// the kind only.
func show(e *openapi3.SchemaError) string {
	if isSecret(e.Schema) {
		return ""
	}
	if _, isText := e.Value.(string); isText && (e.Schema.Type.Is(openapi3.TypeObject) || e.Schema.Type.Is(openapi3.TypeArray)) {
		return "a string"
	}
	switch v := e.Value.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(v)
	case bool:
		return strconv.FormatBool(v)
	case fmt.Stringer: // json.Number
		return v.String()
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	default:
		return plain(v)
	}
}

// isSecret reports whether values of a schema must not be shown.
func isSecret(s *openapi3.Schema) bool {
	return s.Format == "password" || s.WriteOnly || slices.ContainsFunc(s.AllOf, func(part *openapi3.SchemaRef) bool {
		return isSecret(part.Value)
	})
}

// plain returns a number in plain digits, and "" for anything else.
func plain(number any) string {
	if v := reflect.ValueOf(number); !v.CanInt() && !v.CanFloat() { // kin-openapi reads numbers as floats
		return ""
	}
	digits, _ := json.Marshal(number) //nolint:errchkjson // a number of a document or a body is finite
	return string(digits)
}

// lastSecond is the end of the year 9999 in Unix seconds, which bounds all of them.
const lastSecond = "253402300799"

// unitHint returns the end of a sentence about a number that is above its maximum, if the number looks
// like milliseconds where seconds are wanted.
func unitHint(maximum, digits string) string {
	if maximum != lastSecond || len(digits) < 4 {
		return ""
	}
	_, notDigits := strconv.ParseUint(digits, 10, 64)
	seconds := digits[:len(digits)-3]
	if notDigits != nil || len(seconds) > len(lastSecond) || len(seconds) == len(lastSecond) && seconds > lastSecond {
		return ""
	}
	return "; that looks like milliseconds, and Unix seconds are wanted"
}

func typeName(s *openapi3.Schema) string {
	switch {
	case s.Type.Is(openapi3.TypeInteger):
		return "a whole number"
	case s.Type.Is(openapi3.TypeNumber):
		return "a number"
	case s.Type.Is(openapi3.TypeBoolean):
		return "true or false"
	case s.Type.Is(openapi3.TypeString):
		return "a string"
	case s.Type.Is(openapi3.TypeArray):
		return "an array"
	default:
		return "an object"
	}
}

func list(values []any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		if texts[i] = plain(v); texts[i] == "" {
			texts[i] = fmt.Sprint(v)
		}
	}
	return strings.Join(texts, ", ")
}

// number formats a bound. It is generic because the linter forbids the float type that kin-openapi uses.
func number[N any](n *N) string {
	if n == nil {
		return "the limit"
	}
	return plain(*n)
}

func characters(n uint64) string {
	if n == 1 {
		return "1 character"
	}
	return strconv.FormatUint(n, 10) + " characters"
}
