package httpedge

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

const plainSpec = `
openapi: 3.0.3
info: {title: plain, version: "1"}
paths: {}
components:
  schemas:
    Amount: {type: number, x-go-type: money.Amount}
    NewBet:
      type: object
      required: [event_id, amount]
      additionalProperties: false
      properties:
        event_id: {type: integer, format: int64, minimum: 1}
        amount: {allOf: [{$ref: '#/components/schemas/Amount'}], description: The stake.}
        coefficient: {type: number, nullable: true, x-go-type: odds.Decimal}
        odds_change: {type: string, enum: [none, higher, any]}
        note: {type: string, maxLength: 3}
        few: {type: integer, maximum: 5}
        half: {type: number, multipleOf: 0.5}
`

func plainSchema(t testing.TB) *openapi3.Schema {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(plainSpec))
	if err != nil {
		t.Fatal(err)
	}
	return doc.Components.Schemas["NewBet"].Value
}

func TestPlainBodiesAreRecognised(t *testing.T) {
	t.Parallel()
	q := newQuickObject(plainSchema(t))
	for body, want := range map[string]bool{
		`{"event_id":1,"amount":10}`: true,
		" {\n\t\"amount\" : 10.50 , \"event_id\" : 12 ,\r\"coefficient\":1.45,\"odds_change\":\"higher\"} \n": true,
		`{"event_id":1}`:                                 false, // the full check says what is missing
		`{"event_id":1,"amount":10,"amount":11}`:         false,
		`{"event_id":1,"amount":10,"half":1}`:            false,
		`{"event_id":1,"amount":10,"few":1}`:             false,
		`{"event_id":1,"amount":10,"note":"abc"}`:        false,
		`{"event_id":1,"amount":10,"coefficient":null}`:  false,
		`{"event_id":1,"amount":10,"odds_change":"all"}`: false,
		`{"event_id":0,"amount":10}`:                     false,
		`{"event_id":01,"amount":10}`:                    false,
		`{"event_id":1.0,"amount":10}`:                   false,
		`{"event_id":1,"amount":1e1}`:                    false,
		`{"event_id":1,"amount":10.005}`:                 false,
		`{"event_id":1,"amount":10,}`:                    false,
		`{"event_id":1,"amount":10}}`:                    false,
		`{"event_id":1,"amount":10} {}`:                  false,
		`{"event_id":1 "amount":10}`:                     false,
		`["event_id",1]`:                                 false,
		`{}`:                                             false,
		`{`:                                              false,
		``:                                               false,
	} {
		if got := q.accepts([]byte(body)); got != want {
			t.Errorf("%s: %t, want %t", body, got, want)
		}
	}
}

// FuzzPlainBodies checks that the full check accepts every recognised body.
func FuzzPlainBodies(f *testing.F) {
	schema := plainSchema(f)
	q := newQuickObject(schema)
	for _, body := range []string{
		`{"event_id":1,"amount":10.00,"coefficient":1.45,"odds_change":"any"}`, `{"event_id":999999999999999999,"amount":0.01}`,
		`{"event_id":1,"amount":99999999999999999999}`, `{"amount":-1,"event_id":1}`, `{"event_id":1,"amount":1,"odds_change":"\u0061ny"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !q.accepts(body) {
			return
		}
		value, err := parseJSON(body, schema)
		if err == nil {
			err = checkJSON(value, schema)
		}
		if err != nil {
			t.Errorf("%q is recognised, but the full check refuses it: %v", body, err)
		}
	})
}

// A schema with rules that quickObject does not support gets none.
func TestUnsupportedSchemasGetNoQuickCheck(t *testing.T) {
	t.Parallel()
	least := uint64(2)
	for name, change := range map[string]func(*openapi3.Schema){
		"not an object":         func(s *openapi3.Schema) { s.Type = &openapi3.Types{openapi3.TypeArray} },
		"one of several":        func(s *openapi3.Schema) { s.OneOf = openapi3.SchemaRefs{{Value: openapi3.NewStringSchema()}} },
		"a number of fields":    func(s *openapi3.Schema) { s.MinProps = least },
		"an odd required field": func(s *openapi3.Schema) { s.Required = append(s.Required, "note") },
	} {
		schema := *plainSchema(t)
		change(&schema)
		if newQuickObject(&schema) != nil {
			t.Errorf("%s: got a quickObject, want nil", name)
		}
	}
}
