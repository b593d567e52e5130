package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"stavka.local/api"
	"stavka.local/shared/line"
	"stavka.local/shared/line/linetest"
)

// message is a message of the AsyncAPI document.
type message struct {
	Name    string         `yaml:"name"`
	Payload map[string]any `yaml:"payload"`
	// Examples are the bodies that the document shows.
	Examples []struct {
		Name    string         `yaml:"name"`
		Payload map[string]any `yaml:"payload"`
	} `yaml:"examples"`
}

// decoders are the functions by which the services decode messages, by message name.
var decoders = map[string]func([]byte) error{
	line.TypeChange: func(body []byte) error {
		_, err := line.DecodeChange(body)
		return err
	},
	line.TypeHeartbeat: func(body []byte) error {
		_, err := line.DecodeHeartbeat(body)
		return err
	},
}

// spoiled are values that most members do not allow.
var spoiled = map[string]any{
	"text":     "spoiled",
	"empty":    "",
	"negative": -1,
	"object":   map[string]any{},
	"null":     nil,
}

func TestMessagesMatchTheCodec(t *testing.T) {
	t.Parallel()
	var names []string
	for _, m := range messages(t) {
		names = append(names, m.Name)
	}
	want := []string{line.TypeChange, line.TypeHeartbeat}
	if !slices.Equal(names, want) {
		t.Errorf("messages %v, want %v", names, want)
	}
	var document struct {
		Channels map[string]struct {
			Address string `yaml:"address"`
		} `yaml:"channels"`
	}
	decodeMessages(t, &document)
	var addresses []string
	for _, channel := range document.Channels {
		addresses = append(addresses, channel.Address)
	}
	slices.Sort(addresses)
	if !slices.Equal(addresses, want) {
		t.Errorf("channels %v, want %v", addresses, want)
	}
}

// TestMessageExamples checks that the schema and the codec accept every example and every golden
// file of the codec.
func TestMessageExamples(t *testing.T) {
	t.Parallel()
	for _, m := range messages(t) {
		schema := compile(t, m)
		if len(m.Examples) == 0 {
			t.Errorf("%s: no examples", m.Name)
		}
		bodies := goldenBodies(t, m.Name)
		for _, example := range m.Examples {
			bodies["example "+example.Name] = toJSON(t, example.Payload)
		}
		for name, body := range bodies {
			t.Run(m.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				if err := validate(t, schema, body); err != nil {
					t.Errorf("by the schema: %v", err)
				}
				if err := decoders[m.Name](body); err != nil {
					t.Errorf("by the codec: %v", err)
				}
			})
		}
	}
}

// TestExamplesAreGolden checks that the examples of the document are messages that line-provider
// sends, up to spaces and trailing zeros.
func TestExamplesAreGolden(t *testing.T) {
	t.Parallel()
	for _, m := range messages(t) {
		golden := goldenBodies(t, m.Name)
		for _, example := range m.Examples {
			want := toJSON(t, example.Payload)
			found := false
			for _, body := range golden {
				var payload map[string]any
				if err := json.Unmarshal(body, &payload); err != nil {
					t.Fatal(err)
				}
				found = found || bytes.Equal(toJSON(t, payload), want)
			}
			if !found {
				t.Errorf("%s: no golden file equals the example %s: %s", m.Name, example.Name, want)
			}
		}
	}
}

// TestSchemaIsAsStrictAsTheCodec spoils each member of each example in turn. The schema must refuse
// what the codec refuses.
func TestSchemaIsAsStrictAsTheCodec(t *testing.T) {
	t.Parallel()
	for _, m := range messages(t) {
		schema := compile(t, m)
		for _, example := range m.Examples {
			for member := range example.Payload {
				name := m.Name + "/" + example.Name + "/" + member
				for kind, value := range spoiled {
					t.Run(name+"/"+kind, func(t *testing.T) {
						t.Parallel()
						body := maps.Clone(example.Payload)
						body[member] = value
						checkAgreement(t, m, schema, body)
					})
				}
				t.Run(name+"/missing", func(t *testing.T) {
					t.Parallel()
					body := maps.Clone(example.Payload)
					delete(body, member)
					checkAgreement(t, m, schema, body)
				})
			}
		}
	}
}

// TestEventIsTheSameEverywhere compares the event of the message with that of line-provider's API,
// which lacks only the epoch, and with the part of it that bet-maker shows.
func TestEventIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	ofAPI := load(t, api.LineProvider).Components.Schemas["Event"].Value
	var ofMessage map[string]any
	for _, m := range messages(t) {
		if m.Name == line.TypeChange {
			ofMessage, _ = resolve(t, m.Payload)["properties"].(map[string]any)
		}
	}
	got := slices.Sorted(maps.Keys(ofMessage))
	want := slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(ofAPI.Properties)), "epoch")))
	if !slices.Equal(got, want) {
		t.Errorf("the message has the members %v, line-provider's event and the epoch %v", got, want)
	}
	for name, property := range load(t, api.BetMaker).Components.Schemas["Event"].Value.Properties {
		original, ok := ofAPI.Properties[name]
		if !ok {
			t.Errorf("bet-maker's event has %s, line-provider's does not", name)
			continue
		}
		if !slices.Equal(property.Value.Type.Slice(), original.Value.Type.Slice()) || property.Value.Nullable != original.Value.Nullable {
			t.Errorf("%s: bet-maker and line-provider have different types", name)
		}
	}
}

func checkAgreement(t *testing.T, m message, schema *jsonschema.Schema, payload map[string]any) {
	t.Helper()
	body := toJSON(t, payload)
	bySchema, byCodec := validate(t, schema, body), decoders[m.Name](body)
	if (bySchema == nil) != (byCodec == nil) {
		t.Errorf("%s: by the schema: %v; by the codec: %v", body, bySchema, byCodec)
	}
}

// goldenBodies returns the golden files of the message, by file name.
func goldenBodies(t *testing.T, name string) map[string][]byte {
	t.Helper()
	pattern := map[string]string{
		line.TypeChange:    "golden/change_*.json",
		line.TypeHeartbeat: "golden/heartbeat*.json",
	}[name]
	files, err := fs.Glob(linetest.Golden, pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("%s: no golden files match %q", name, pattern)
	}
	bodies := make(map[string][]byte, len(files))
	for _, file := range files {
		if bodies[path.Base(file)], err = linetest.Golden.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return bodies
}

// messages returns the messages of the document in order of name.
func messages(t *testing.T) []message {
	t.Helper()
	var document struct {
		Components struct {
			Messages map[string]message `yaml:"messages"`
		} `yaml:"components"`
	}
	decodeMessages(t, &document)
	all := slices.Collect(maps.Values(document.Components.Messages))
	slices.SortFunc(all, func(a, b message) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func decodeMessages(t *testing.T, v any) {
	t.Helper()
	if err := yaml.Unmarshal(api.LineMessages, v); err != nil {
		t.Fatal(err)
	}
}

// compile returns the schema of the message's payload. The document uses only the part of AsyncAPI's
// schemas that is JSON Schema draft-07.
func compile(t *testing.T, m message) *jsonschema.Schema {
	t.Helper()
	var document any
	decodeMessages(t, &document)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(toJSON(t, document)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7)
	if err := compiler.AddResource("line-messages.json", value); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("line-messages.json" + reference(t, m.Payload))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// reference returns the $ref that the payload of a message consists of.
func reference(t *testing.T, payload map[string]any) string {
	t.Helper()
	ref, ok := payload["$ref"].(string)
	if !ok || len(payload) != 1 {
		t.Fatalf("payload %v is not a reference", payload)
	}
	return ref
}

// resolve returns the schema that the payload of a message refers to.
func resolve(t *testing.T, payload map[string]any) map[string]any {
	t.Helper()
	var document struct {
		Components struct {
			Schemas map[string]map[string]any `yaml:"schemas"`
		} `yaml:"components"`
	}
	decodeMessages(t, &document)
	name := strings.TrimPrefix(reference(t, payload), "#/components/schemas/")
	schema, ok := document.Components.Schemas[name]
	if !ok {
		t.Fatalf("no schema %q", name)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, body []byte) error {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("read %s: %w", body, err)
	}
	return schema.Validate(value)
}

func toJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
