package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayFloat reports whether a file may use floats. Metrics may, because they are approximate anyway,
// and so may tests and benchmarks.
func mayFloat(path string) bool {
	return strings.HasSuffix(path, "_test.go") || filepath.Base(path) == "metrics.go" || strings.HasPrefix(path, "shared/metrics/")
}

// floating lists the names of floating-point types.
var floating = []string{"float32", "float64", "complex64", "complex128"}

// floatingIn lists functions and types of the standard library that use floats.
var floatingIn = map[string][]string{
	"strconv": {"ParseFloat", "FormatFloat", "AppendFloat"},
	"big":     {"Float", "NewFloat", "ParseFloat"},
	"math":    {"Round", "Floor", "Ceil", "Trunc", "RoundToEven", "Pow", "Float64frombits", "Float64bits"},
}

// Money and prices are exact: no file that could handle them uses a float.
func TestNoFloatsNearMoney(t *testing.T) {
	t.Parallel()
	checked := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		path = filepath.ToSlash(path)
		if entry != nil && entry.IsDir() && (path == "tools" || path == "bench" || strings.HasPrefix(entry.Name(), ".") && path != ".") {
			return fs.SkipDir
		}
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || mayFloat(path) {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		checked++
		for _, found := range floatsIn(file) {
			t.Errorf("%s uses %s", path, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 200 {
		t.Errorf("only %d files were checked: the test does not match the tree", checked)
	}
}

// floatsIn returns the floats in a file: the names above, and literals.
func floatsIn(file *ast.File) []string {
	var found []string
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.Ident:
			if slices.Contains(floating, n.Name) {
				found = append(found, n.Name)
			}
		case *ast.BasicLit:
			if n.Kind == token.FLOAT || n.Kind == token.IMAG {
				found = append(found, n.Value)
			}
		case *ast.SelectorExpr:
			if pkg, ok := n.X.(*ast.Ident); ok && slices.Contains(floatingIn[pkg.Name], n.Sel.Name) {
				found = append(found, pkg.Name+"."+n.Sel.Name)
			}
		}
		return true
	})
	return found
}

func TestFloatsAreFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"var a float64":                        1,
		"var a = 1.5":                          1,
		"var a, _ = strconv.ParseFloat(s, 64)": 1,
		"var a = new(big.Float)":               1,
		"func a[N float32](n N) {}":            1,
		"var a = []int64{1, 2}":                0,
		"var a = new(big.Rat)":                 0,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "a.go", "package a\n"+text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := floatsIn(file); len(got) != want {
			t.Errorf("%s: found %q, want %d", text, got, want)
		}
	}
}
