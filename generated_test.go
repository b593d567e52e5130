package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each query method and Params type that sqlc generates is used by the adapter beside it. A query that is
// used nowhere must be deleted from sql/.
func TestGeneratedQueriesAreUsed(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{
		"betmaker/internal/adapters/postgres/pgdb",
		"betmaker/internal/adapters/sqlite/sqlitedb",
		"lineprovider/internal/adapters/sqlite/sqlitedb",
	} {
		generated, err := filepath.Glob(dir + "/*.sql.go")
		if err != nil || len(generated) == 0 {
			t.Fatalf("find the generated code in %s: %v, %d files", dir, err, len(generated))
		}
		unused := make(map[string]struct{})
		for _, path := range generated {
			for _, name := range generatedNames(parse(t, path)) {
				unused[name] = struct{}{}
			}
		}
		if len(unused) < 10 {
			t.Errorf("%s: found only %d generated names", dir, len(unused))
		}
		adapter, err := filepath.Glob(filepath.Dir(dir) + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range adapter {
			if !strings.HasSuffix(path, "_test.go") {
				ast.Inspect(parse(t, path), func(node ast.Node) bool {
					if selector, ok := node.(*ast.SelectorExpr); ok {
						delete(unused, selector.Sel.Name)
					}
					return true
				})
			}
		}
		for _, name := range slices.Sorted(maps.Keys(unused)) {
			t.Errorf("%s: %s is not used", dir, name)
		}
	}
}

// generatedNames returns the names of the query methods of a file, and of its Params types.
func generatedNames(file *ast.File) (names []string) {
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			names = append(names, d.Name.Name)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if s, ok := spec.(*ast.TypeSpec); ok && strings.HasSuffix(s.Name.Name, "Params") {
					names = append(names, s.Name.Name)
				}
			}
		}
	}
	return names
}

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
