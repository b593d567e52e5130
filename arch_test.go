package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rule lists what the packages below a directory may import. Imports point inwards: adapters import
// use cases, use cases import ports, ports import the domain, and the domain imports only the exact
// numbers, the faults, and what compares and judges texts.
type rule struct {
	dir string
	// allowed lists prefixes of import paths besides the standard library.
	allowed []string
}

// rules returns the rules of a service. The first rule whose directory contains a file applies to it.
func rules(service string) []rule {
	internal := "stavka.local/" + service + "/internal/"
	shared := func(names ...string) []string {
		paths := make([]string, len(names))
		for i, name := range names {
			paths[i] = "stavka.local/shared/" + name
		}
		return paths
	}
	return []rule{
		{service + "/internal/domain", append(shared("odds", "money", "instant", "fault", "password", "plaintext"), "golang.org/x/text")},
		{service + "/internal/ports/portstest", append(shared("odds", "money", "fault", "line", "fieldtest"), internal+"domain", internal+"ports", "pgregory.net/rapid")},
		{service + "/internal/ports", append(shared("odds", "money", "fault", "line"), internal+"domain", internal+"ports")},
		{service + "/internal/usecase", append(shared("odds", "money", "fault", "line", "crashpoint", "wait"), internal+"domain", internal+"ports", "golang.org/x/sync/singleflight")},
	}
}

func TestImportsPointInwards(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, service := range []string{"betmaker", "lineprovider"} {
		for file, imports := range importsBelow(t, service+"/internal") {
			for _, rule := range rules(service) {
				if !strings.HasPrefix(file, rule.dir+"/") {
					continue
				}
				checked++
				for _, path := range imports {
					if !isStandard(path) && !isAllowed(path, rule.allowed) {
						t.Errorf("%s imports %s; %s may import only the standard library and %v", file, path, rule.dir, rule.allowed)
					}
				}
				break
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d files were checked: the rules do not match the tree", checked)
	}
}

// Adapters do not import each other: code that two of them share belongs further inside.
func TestAdaptersDoNotImportEachOther(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"betmaker", "lineprovider"} {
		adapters := "stavka.local/" + service + "/internal/adapters/"
		for file, imports := range importsBelow(t, service+"/internal/adapters") {
			own, _, _ := strings.Cut(strings.TrimPrefix(file, service+"/internal/adapters/"), "/")
			for _, path := range imports {
				rest, isAdapter := strings.CutPrefix(path, adapters)
				if adapter, _, _ := strings.Cut(rest, "/"); isAdapter && adapter != own {
					t.Errorf("%s imports %s", file, path)
				}
			}
		}
	}
}

// The modules api, shared and sql import no service, and the services do not import each other.
func TestModulesDoNotImportServices(t *testing.T) {
	t.Parallel()
	for module, forbidden := range map[string][]string{
		"api":          {"stavka.local/betmaker", "stavka.local/lineprovider", "stavka.local/sql"},
		"shared":       {"stavka.local/betmaker", "stavka.local/lineprovider", "stavka.local/sql", "stavka.local/api"},
		"sql":          {"stavka.local/"},
		"betmaker":     {"stavka.local/lineprovider"},
		"lineprovider": {"stavka.local/betmaker"},
	} {
		for file, imports := range importsBelow(t, module) {
			for _, path := range imports {
				if isAllowed(path, forbidden) {
					t.Errorf("%s imports %s", file, path)
				}
			}
		}
	}
}

// The library of access tokens is deprecated: one adapter uses it, so that replacing it changes one package.
// Test data of the benchmarks is signed by it, too.
func TestOneAdapterSignsTokens(t *testing.T) {
	t.Parallel()
	const adapter = "betmaker/internal/adapters/jwt/"
	users := 0
	for _, module := range []string{"api", "bench", "betmaker", "e2e", "internal", "lineprovider", "shared", "sql"} {
		for file, imports := range importsBelow(t, module) {
			for _, path := range imports {
				if !isAllowed(path, []string{"github.com/lestrrat-go", "github.com/golang-jwt"}) {
					continue
				}
				if users++; !strings.HasPrefix(file, adapter) && file != "bench/rig/seed.go" {
					t.Errorf("%s imports %s; only %s may", file, path, adapter)
				}
			}
		}
	}
	if users == 0 {
		t.Error("nothing imports the library: this test checks nothing")
	}
}

// A Dockerfile must copy every module that the service requires: images are built without the workspace.
func TestDockerfilesCopyRequiredModules(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"betmaker", "lineprovider"} {
		module, moduleErr := os.ReadFile(service + "/go.mod")
		dockerfile, err := os.ReadFile(service + "/Dockerfile")
		if moduleErr != nil || err != nil {
			t.Fatal(moduleErr, err)
		}
		siblings := 0
		for line := range strings.Lines(string(module)) {
			_, sibling, ok := strings.Cut(strings.TrimSpace(line), "=> ../")
			if !ok {
				continue
			}
			siblings++
			if !strings.Contains(string(dockerfile), "\nCOPY "+sibling+" "+sibling+"\n") {
				t.Errorf("%s/go.mod replaces a module by ../%s, which its Dockerfile does not copy", service, sibling)
			}
		}
		if siblings == 0 {
			t.Errorf("%s/go.mod replaces nothing: this test checks nothing", service)
		}
	}
}

// importsBelow returns the imports of every Go file below dir that is not a test.
func importsBelow(t *testing.T, dir string) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			found[filepath.ToSlash(path)] = append(found[filepath.ToSlash(path)], imported)
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("read the imports below %s: %v, %d files", dir, err, len(found))
	}
	return found
}

func isStandard(path string) bool {
	host, _, _ := strings.Cut(path, "/")
	return !strings.Contains(host, ".")
}

func isAllowed(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return path == prefix || strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/")
	})
}
