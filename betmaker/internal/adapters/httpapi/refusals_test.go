package httpapi

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"stavka.local/api"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/fault"
	"stavka.local/shared/problem"
)

// The contract documents the fault of every refusal, with its status and members. The codes are
// numbered without gaps, and only they have a fault.
func TestRefusalsAreInTheContract(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(api.BetMaker)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(doc.Extensions["x-problem-codes"])
	if err != nil {
		t.Fatal(err)
	}
	var documented map[string]struct {
		Status  int      `json:"status"`
		Members []string `json:"members"`
		OneOf   []string `json:"one_of"`
	}
	if err := json.Unmarshal(text, &documented); err != nil {
		t.Fatal(err)
	}
	code := domain.RefusalCode(1)
	for ; ; code++ {
		got := domain.Refusal{Code: code}.Fault()
		if got.Kind == fault.Internal {
			break
		}
		want, ok := documented[got.Code]
		if !ok || problem.Status(got.Kind) != want.Status {
			t.Errorf("refusal %d is answered %d %s; x-problem-codes has %+v", code, problem.Status(got.Kind), got.Code, want)
		}
		members := slices.Sorted(maps.Keys(got.Params))
		if i := slices.IndexFunc(members, func(m string) bool { return slices.Contains(want.OneOf, m) }); i >= 0 {
			members = slices.Delete(members, i, i+1)
		}
		if !slices.Equal(members, slices.Sorted(slices.Values(want.Members))) {
			t.Errorf("%s: refusal %d has the members %v; x-problem-codes has %+v", got.Code, code, members, want)
		}
	}
	if code <= domain.RefusedBalanceTooLarge {
		t.Errorf("refusal %d has no fault", code)
	}
}
