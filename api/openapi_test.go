package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"stavka.local/api"
)

// specs are the OpenAPI documents by the name of their service.
var specs = map[string][]byte{
	"betmaker":     api.BetMaker,
	"lineprovider": api.LineProvider,
}

// baseMembers are the members of a problem that do not depend on its code.
var baseMembers = []string{"type", "title", "status", "detail", "code", "request_id"}

// problemCode is one entry of x-problem-codes.
type problemCode struct {
	Status  int      `json:"status"`
	Meaning string   `json:"meaning"`
	Members []string `json:"members"` // of the problem, besides the base ones
	OneOf   []string `json:"one_of"`  // members of which it has exactly one more
	Edge    bool     `json:"edge"`    // belongs to no operation
}

// operation is an operation with its method and path.
type operation struct {
	*openapi3.Operation
	method, path string
	item         *openapi3.PathItem
}

func (o operation) String() string { return o.method + " " + o.path }

// secured reports whether the operation needs a token.
func (o operation) secured() bool { return o.Security == nil || len(*o.Security) > 0 }

func (o operation) parameters() openapi3.Parameters {
	return slices.Concat(o.item.Parameters, o.Parameters)
}

func TestSpecsAreValid(t *testing.T) {
	t.Parallel()
	for name, text := range specs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := load(t, text)
			if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation()); err != nil {
				t.Error(err)
			}
			if doc.OpenAPI != "3.0.3" {
				t.Errorf("version %s, want 3.0.3, which the validator checks without compiling a schema per request", doc.OpenAPI)
			}
			if len(doc.Security) == 0 {
				t.Error("no security by default: an operation without a security entry would be open")
			}
		})
	}
}

func TestOperationsAreDescribed(t *testing.T) {
	t.Parallel()
	verb := regexp.MustCompile(`^[a-z][A-Za-z]+$`)
	for name, text := range specs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := map[string]string{}
			for _, op := range operations(load(t, text)) {
				if !verb.MatchString(op.OperationID) {
					t.Errorf("%s: operationId %q is not in camel case", op, op.OperationID)
				}
				if other, twice := seen[op.OperationID]; twice {
					t.Errorf("%s: operationId %q is that of %s", op, op.OperationID, other)
				}
				seen[op.OperationID] = op.String()
				if op.Summary == "" || len(op.Tags) != 1 {
					t.Errorf("%s: want a summary and one tag", op)
				}
				open := slices.Contains(op.Tags, "operations") || op.OperationID == "issueToken"
				if op.secured() == open {
					t.Errorf("%s: needs a token: %t; only the operational routes and signing in do not", op, op.secured())
				}
				for _, parameter := range op.parameters() {
					if parameter.Value.Description == "" || parameter.Value.Example == nil {
						t.Errorf("%s: parameter %s: want a description and an example", op, parameter.Value.Name)
					}
				}
			}
		})
	}
}

// TestBodiesAreStrict checks that bodies of requests refuse unknown fields, which a decoder would
// drop, and have no defaults, for which the validator would rewrite the body with decimals as floats.
func TestBodiesAreStrict(t *testing.T) {
	t.Parallel()
	for name, text := range specs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, op := range operations(load(t, text)) {
				if op.RequestBody == nil {
					continue
				}
				if !op.RequestBody.Value.Required {
					t.Errorf("%s: the body is optional", op)
				}
				for mediaType, content := range op.RequestBody.Value.Content {
					schema := content.Schema.Value
					// RFC 6749, 3.2: unrecognised parameters of a grant are ignored.
					strict := schema.AdditionalProperties.Has != nil && !*schema.AdditionalProperties.Has
					if grant := mediaType == "application/x-www-form-urlencoded"; strict == grant {
						t.Errorf("%s: %s: unknown fields refused: %t", op, mediaType, strict)
					}
					for field, property := range schema.Properties {
						if property.Value.Default != nil {
							t.Errorf("%s: %s has a default", op, field)
						}
						if property.Value.MultipleOf != nil {
							t.Errorf("%s: %s has multipleOf, which is computed in floats", op, field)
						}
					}
				}
			}
		})
	}
}

func TestExamplesAreGiven(t *testing.T) {
	t.Parallel()
	for name, text := range specs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, op := range operations(load(t, text)) {
				if op.RequestBody != nil {
					checkExamples(t, op.String()+" request", op.RequestBody.Value.Content)
				}
				for status, response := range op.Responses.Map() {
					checkExamples(t, op.String()+" "+status, response.Value.Content)
				}
			}
		})
	}
}

// TestEveryErrorIsDocumented checks that each operation has the error statuses that its parameters,
// body and security imply, and checks each error response against the table of codes.
func TestEveryErrorIsDocumented(t *testing.T) {
	t.Parallel()
	for name, text := range specs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := load(t, text)
			codes := problemCodes(t, doc)
			used := map[string]bool{}
			for _, op := range operations(doc) {
				for _, status := range impliedStatuses(op) {
					if op.Responses.Value(status) == nil {
						t.Errorf("%s: no response %s", op, status)
					}
				}
				for status, response := range op.Responses.Map() {
					if status[0] == '2' || status == "304" || op.OperationID == "readyz" && status == "503" {
						continue
					}
					for _, code := range checkProblem(t, op.String()+" "+status, status, response.Value, codes) {
						used[code] = true
					}
				}
			}
			for code, entry := range codes {
				if used[code] == entry.Edge {
					t.Errorf("%s: used by an operation: %t, belongs to the edge: %t", code, used[code], entry.Edge)
				}
			}
		})
	}
}

// TestProblemTableAgrees compares the table of codes in the description with x-problem-codes.
func TestProblemTableAgrees(t *testing.T) {
	t.Parallel()
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\d{3}) \\| (.+) \\|$")
	for name, text := range specs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := load(t, text)
			got := map[string]string{}
			for _, match := range row.FindAllStringSubmatch(doc.Info.Description, -1) {
				got[match[1]] = match[2]
			}
			want := map[string]string{}
			for code, entry := range problemCodes(t, doc) {
				want[code] = strconv.Itoa(entry.Status)
				if entry.Meaning == "" {
					t.Errorf("%s: no meaning", code)
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("the description has %v, x-problem-codes has %v", got, want)
			}
		})
	}
}

// impliedStatuses returns the error statuses that the parameters, the body and the security of an
// operation imply.
func impliedStatuses(op operation) []string {
	statuses := []string{"default"}
	if op.secured() {
		statuses = append(statuses, "401", "503")
	}
	if op.RequestBody != nil {
		statuses = append(statuses, "400", "413", "415")
	}
	if len(op.parameters()) > 0 {
		statuses = append(statuses, "400")
	}
	return statuses
}

// checkProblem checks an error response against the table of codes, and its examples against both.
// It returns the response's codes.
func checkProblem(t *testing.T, where, status string, response *openapi3.Response, codes map[string]problemCode) []string {
	t.Helper()
	content := response.Content.Get("application/problem+json")
	if content == nil || len(response.Content) != 1 || content.Schema.Ref != "#/components/schemas/Problem" {
		t.Errorf("%s: want a Problem as application/problem+json and no other content", where)
		return nil
	}
	var documented []string
	decodeExtension(t, response.Extensions["x-codes"], &documented)
	if len(documented) == 0 {
		t.Errorf("%s: no x-codes", where)
	}
	if got := slices.Sorted(maps.Keys(content.Examples)); !slices.Equal(got, slices.Sorted(slices.Values(documented))) {
		t.Errorf("%s: examples for %v, x-codes are %v", where, got, documented)
	}
	for _, code := range documented {
		entry, known := codes[code]
		if !known {
			t.Errorf("%s: %s is not in x-problem-codes", where, code)
			continue
		}
		if got := strconv.Itoa(entry.Status); status != "default" && got != status {
			t.Errorf("%s: %s has status %s in x-problem-codes", where, code, got)
		}
		example, ok := content.Examples[code]
		if !ok {
			continue
		}
		checkProblemExample(t, where, code, entry, example.Value.Value)
	}
	needsHeader := map[string]string{"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}
	for _, header := range []string{"X-Request-Id", needsHeader[status]} {
		if header != "" && (response.Headers[header] == nil || !response.Headers[header].Value.Required) {
			t.Errorf("%s: the header %s is not documented", where, header)
		}
	}
	return documented
}

func checkProblemExample(t *testing.T, where, code string, entry problemCode, value any) {
	t.Helper()
	members, ok := value.(map[string]any)
	if !ok {
		t.Errorf("%s: example %s is %T", where, code, value)
		return
	}
	if members["code"] != code || fmt.Sprint(members["status"]) != strconv.Itoa(entry.Status) ||
		members["title"] != http.StatusText(entry.Status) {
		t.Errorf("%s: example %s has %v %v %v", where, code, members["code"], members["status"], members["title"])
	}
	var extra []string
	for member := range members {
		if !slices.Contains(baseMembers, member) {
			extra = append(extra, member)
		}
	}
	alternative := func(member string) bool { return slices.Contains(entry.OneOf, member) }
	if i := slices.IndexFunc(extra, alternative); i >= 0 {
		extra = slices.Delete(extra, i, i+1)
	} else if len(entry.OneOf) > 0 {
		t.Errorf("%s: example %s has none of %v", where, code, entry.OneOf)
	}
	slices.Sort(extra)
	if !slices.Equal(extra, slices.Sorted(slices.Values(entry.Members))) {
		t.Errorf("%s: example %s has %v, x-problem-codes has %v", where, code, extra, entry.Members)
	}
}

// checkExamples checks that every content has an example. TestSpecsAreValid compares examples with
// their schemas.
func checkExamples(t *testing.T, where string, contents openapi3.Content) {
	t.Helper()
	for mediaType, content := range contents {
		if content.Example == nil && len(content.Examples) == 0 {
			t.Errorf("%s: no example of %s", where, mediaType)
		}
		if strings.HasSuffix(mediaType, "json") && content.Schema == nil {
			t.Errorf("%s: no schema of %s", where, mediaType)
		}
	}
}

func load(t *testing.T, text []byte) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// operations returns all operations of the document in a fixed order.
func operations(doc *openapi3.T) []operation {
	var all []operation
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		item := doc.Paths.Value(path)
		byMethod := item.Operations()
		for _, method := range slices.Sorted(maps.Keys(byMethod)) {
			all = append(all, operation{byMethod[method], method, path, item})
		}
	}
	return all
}

func problemCodes(t *testing.T, doc *openapi3.T) map[string]problemCode {
	t.Helper()
	var codes map[string]problemCode
	decodeExtension(t, doc.Extensions["x-problem-codes"], &codes)
	if len(codes) == 0 {
		t.Fatal("no x-problem-codes")
	}
	return codes
}

// decodeExtension reads the value of an extension into v; an absent one leaves v
// as it is.
func decodeExtension(t *testing.T, value, v any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}
