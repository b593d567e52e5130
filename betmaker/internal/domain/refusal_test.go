package domain_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/shared/fault"
)

// refusalCodes returns the values of all constants of the type RefusalCode, by their names.
func refusalCodes(t *testing.T) map[string]domain.RefusalCode {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "refusal.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]domain.RefusalCode{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != "RefusalCode" {
			return true
		}
		value, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is not a number: the numbers are stored and must be written out", spec.Names[0])
		}
		number, err := strconv.ParseUint(value.Value, 10, 8)
		if err != nil {
			t.Fatal(err)
		}
		codes[spec.Names[0].Name] = domain.RefusalCode(number)
		return true
	})
	return codes
}

// The codes are numbered from 1 without gaps, and the answers to no two of them are the same.
func TestEveryRefusalCodeHasItsFault(t *testing.T) {
	t.Parallel()
	codes := refusalCodes(t)
	if len(codes) < 11 {
		t.Fatalf("found only %v", codes)
	}
	numbers, answers := map[domain.RefusalCode]string{}, map[string]string{}
	for name, code := range codes {
		if other := numbers[code]; other != "" || code < 1 || int(code) > len(codes) {
			t.Errorf("%s is %d, as is %q; want each number from 1 to %d once", name, code, other, len(codes))
		}
		numbers[code] = name
		got := domain.Refusal{Code: code}.Fault()
		if got.Kind == fault.Internal {
			t.Errorf("%s has no fault", name)
		}
		answer := got.Code + ": " + got.Detail
		if other := answers[answer]; other != "" {
			t.Errorf("%s and %s are both answered %q", name, other, answer)
		}
		answers[answer] = name
	}
}
