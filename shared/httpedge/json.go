package httpedge

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"stavka.local/shared/fault"
	"stavka.local/shared/money"
	"stavka.local/shared/odds"
)

// maxDepth bounds how deep arrays and objects may be nested in a body. Operations need a few levels;
// the bound keeps hostile bodies cheap.
const maxDepth = 16

// parseJSON parses a body more strictly than encoding/json. The body must be valid UTF-8 without NUL
// characters and halves of surrogate pairs, and must not be nested deeper than maxDepth. No object may
// have a key twice, because different readers would take different values. Numbers are json.Number,
// which keeps their digits. The errors show no name below a secret of the schema.
func parseJSON(data []byte, schema *openapi3.Schema) (any, error) {
	if !utf8.Valid(data) {
		return nil, invalid("body", "is not valid UTF-8")
	}
	if hasHalfCharacter(data) {
		return nil, invalid("body", "has an escape for half a character")
	}
	p := parser{decoder: json.NewDecoder(bytes.NewReader(data)), schema: schema}
	p.decoder.UseNumber()
	value, err := p.value()
	if err == nil {
		_, err = p.decoder.Token()
		switch {
		case errors.Is(err, io.EOF):
			return value, nil
		case err == nil:
			err = invalid("body", "has more after the end of the JSON value")
		}
	}
	return nil, explainSyntax(err)
}

// hasHalfCharacter reports whether JSON holds an escaped surrogate without the other one of its pair.
// encoding/json would silently replace it.
func hasHalfCharacter(data []byte) bool {
	for {
		start := bytes.IndexByte(data, '\\')
		if start < 0 || start+1 >= len(data) {
			return false
		}
		data = data[start:]
		first := escaped(data)
		switch {
		case first < 0:
			data = data[2:] // another escape
		case !utf16.IsSurrogate(first):
			data = data[6:]
		case utf16.DecodeRune(first, escaped(data[6:])) == utf8.RuneError:
			return true
		default:
			data = data[12:]
		}
	}
}

// escaped returns the code unit of the \uXXXX at the start of data, or -1.
func escaped(data []byte) rune {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(unit)
}

func explainSyntax(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return invalid("body", "is not well-formed JSON, at byte "+strconv.FormatInt(syntax.Offset, 10))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return invalid("body", "is not well-formed JSON: it ends too early")
	default:
		return err
	}
}

// parser builds a value from the tokens of a decoder.
type parser struct {
	decoder *json.Decoder
	schema  *openapi3.Schema
	path    []string
}

func (p *parser) value() (any, error) {
	token, err := p.decoder.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if len(p.path) >= maxDepth {
			return nil, invalid("body", "is nested deeper than "+strconv.Itoa(maxDepth)+" levels")
		}
		if t == '{' {
			return p.object()
		}
		return p.array()
	case string:
		if strings.IndexByte(t, 0) >= 0 {
			return nil, p.invalid("holds a NUL character")
		}
	}
	return token, nil
}

func (p *parser) object() (any, error) {
	object := map[string]any{}
	for p.decoder.More() {
		token, err := p.decoder.Token()
		if err != nil {
			return nil, err
		}
		key, _ := token.(string) // the decoder accepts only strings here
		p.path = append(p.path, key)
		if strings.IndexByte(key, 0) >= 0 {
			return nil, invalid("body", "has a field whose name holds a NUL character")
		}
		if _, ok := object[key]; ok {
			return nil, p.invalid("is given more than once")
		}
		if object[key], err = p.value(); err != nil {
			return nil, err
		}
		p.path = p.path[:len(p.path)-1]
	}
	_, err := p.decoder.Token()
	return object, err
}

func (p *parser) array() (any, error) {
	array := []any{}
	for p.decoder.More() {
		p.path = append(p.path, strconv.Itoa(len(array)))
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		array = append(array, value)
		p.path = p.path[:len(p.path)-1]
	}
	_, err := p.decoder.Token()
	return array, err
}

// invalid returns a fault about the field at the parser's path, or about the secret that holds it.
func (p *parser) invalid(what string) *fault.Error {
	schema, names, known := p.schema, make([]string, 0, len(p.path)), true
	for _, name := range p.path {
		if schema != nil && isSecret(schema) {
			return invalid(fieldName(names), "must be "+typeName(schema))
		}
		if schema = member(schema, name); schema == nil {
			known = false
		}
		names = append(names, printable(name))
	}
	if !known {
		return unknown(fieldName(names), what)
	}
	return invalid(fieldName(names), what)
}

// member returns the schema of a field of an object or of an item of an array, or nil if it has none.
func member(schema *openapi3.Schema, name string) *openapi3.Schema {
	if schema == nil {
		return nil
	}
	if property := schema.Properties[name]; property != nil {
		return property.Value
	}
	if schema.Items != nil {
		return schema.Items.Value
	}
	for _, part := range schema.AllOf {
		if found := member(part.Value, name); found != nil {
			return found
		}
	}
	return nil
}

// fieldName returns a path as problems show it: "legs.0.price".
func fieldName(path []string) string {
	if len(path) == 0 {
		return "body"
	}
	return strings.Join(path, ".")
}

// checkJSON validates a value against its schema.
func checkJSON(value any, schema *openapi3.Schema) error {
	if err := schema.VisitJSON(value, openapi3.VisitAsRequest()); err != nil {
		return explain("body", value, err)
	}
	return checkExactly(value, schema, nil)
}

// checkExactly checks whether the Go types can hold value exactly. kin-openapi cannot check that: it
// computes with floats, and takes 30 February for a date. The x-go-type of a schema marks decimals.
func checkExactly(value any, schema *openapi3.Schema, path []string) error {
	for _, part := range schema.AllOf { // a document adds a description to a shared schema this way
		if err := checkExactly(value, part.Value, path); err != nil {
			return err
		}
	}
	switch v := value.(type) {
	case map[string]any:
		for name, property := range schema.Properties {
			if member, ok := v[name]; ok {
				if err := checkExactly(member, property.Value, append(path, name)); err != nil {
					return err
				}
			}
		}
	case []any:
		if schema.Items == nil {
			return nil
		}
		for i, item := range v {
			if err := checkExactly(item, schema.Items.Value, append(path, strconv.Itoa(i))); err != nil {
				return err
			}
		}
	case json.Number:
		return checkNumber(string(v), schema, path)
	case string:
		return checkDate(v, schema, path)
	}
	return nil
}

// checkDate refuses days such as 30 February.
func checkDate(text string, schema *openapi3.Schema, path []string) error {
	var layout string
	switch schema.Format {
	case "date-time":
		layout = time.RFC3339
	case "date":
		layout = time.DateOnly
	default:
		return nil
	}
	if _, err := time.Parse(layout, text); err != nil {
		return invalidValue(fieldName(path), "is a time that does not exist", itIs(strconv.Quote(text)))
	}
	return nil
}

// notPlain describes 1.0, 1e3 and +1 in place of a whole number.
const notPlain = "must be a whole number in plain digits"

func checkNumber(digits string, schema *openapi3.Schema, path []string) error {
	if schema.Type.Is(openapi3.TypeInteger) {
		if _, err := strconv.ParseInt(digits, 10, 64); err != nil {
			return invalidValue(fieldName(path), notPlain, itIs(digits))
		}
		return nil
	}
	var err error
	switch schema.Extensions["x-go-type"] {
	case "odds.Decimal":
		_, err = odds.Parse(digits)
	case "money.Amount":
		_, err = money.Parse(digits)
	default:
		return nil
	}
	if err != nil {
		// The reason without the value, which the parsers put before it.
		return invalidValue(fieldName(path), "is not acceptable ("+reason(err)+")", itIs(digits))
	}
	return nil
}

// reason returns the text of the innermost error.
func reason(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}
