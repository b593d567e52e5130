package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxReadmeWords bounds the README, so that new readers read it.
const maxReadmeWords = 2000

var (
	codeBlock = regexp.MustCompile("(?ms)^```.*?^```$")
	codeSpan  = regexp.MustCompile("`[^`\n]+`")
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#+ (.+)$`)
	// notInAnchors matches the characters of a heading that its anchor lacks.
	notInAnchors = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
	// metric is a metric's registration, under its name without the prefix.
	metric = regexp.MustCompile(`(?i)(?:counter|gauge|histogram|NewDesc)(?:Vec|Func)?\(\s*"(?:stavka_)?([a-z_]+)"`)
	// mentioned is a metric in the operator's manual.
	mentioned = regexp.MustCompile("`stavka_([a-z_]+)")
	// operation is a line of an OpenAPI document: a path, a method of it, or the tag of a method.
	operation = regexp.MustCompile(`(?m)^(?:  (/.*):|    (get|post|put|patch|delete):|      tags: \[(.+)\])$`)
	// listenAt sets where a service listens.
	listenAt = regexp.MustCompile(`\b((?:BETMAKER|LINEPROVIDER)_ADDR)=(\S+)`)
	// baseImage is an image in a Compose file, a Dockerfile or a devcontainer.
	baseImage = regexp.MustCompile(`(?m)^ *(?:image:|FROM|"image":) *"?([^\s"]+)`)
	// pinned is an image with all parts of its version; PostgreSQL has two.
	pinned = regexp.MustCompile(`^(?:postgres:\d+\.\d+|[a-z]+:\d+\.\d+\.\d+)(?:-[a-z0-9.-]+)?(?:@sha256:[0-9a-f]{64})?$`)
	// call is a call in docs/api.md, with all methods of its path.
	call = regexp.MustCompile("((?:`[A-Z]+`, )*)`([A-Z]+) (/[^`? ]+)")
)

// TestLinksResolve follows every relative link of the documents, to files and to headings.
func TestLinksResolve(t *testing.T) {
	t.Parallel()
	for file, text := range documents(t) {
		for _, match := range link.FindAllStringSubmatch(withoutCode(text), -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(match[1], "#")
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: there is no file for the link to %s", file, match[1])
				continue
			}
			if anchor != "" && !strings.Contains(anchors(read(t, target)), "#"+anchor+"\n") {
				t.Errorf("%s: there is no heading for the link to %s", file, match[1])
			}
		}
	}
}

func TestReadmesAreShort(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"README.md", "README.ru.md"} {
		if words := len(strings.Fields(read(t, file))); words > maxReadmeWords {
			t.Errorf("%s has %d words, more than %d", file, words, maxReadmeWords)
		}
	}
}

// The targets of the Makefile that run a service have its default secrets, so they listen on loopback.
func TestMakeListensOnLoopback(t *testing.T) {
	t.Parallel()
	addresses := listenAt.FindAllStringSubmatch(read(t, "Makefile"), -1)
	for _, match := range addresses {
		if !strings.HasPrefix(match[2], "127.0.0.1:") {
			t.Errorf("the Makefile sets %s to %q, want an address of loopback", match[1], match[2])
		}
	}
	if len(addresses) != 2 {
		t.Errorf("the Makefile sets %d addresses to listen at, want 2", len(addresses))
	}
}

// Base images are pinned to a full version, so that a build of today is the build of tomorrow. `make pin-images` adds
// the digest.
func TestBaseImagesArePinned(t *testing.T) {
	t.Parallel()
	images := 0
	for _, file := range []string{"docker-compose.yml", "betmaker/Dockerfile", "lineprovider/Dockerfile", ".devcontainer/devcontainer.json"} {
		for _, match := range baseImage.FindAllStringSubmatch(read(t, file), -1) {
			if image := match[1]; !strings.HasPrefix(image, "stavka/") && image != "scratch" {
				if images++; !pinned.MatchString(image) {
					t.Errorf("%s: the image %s is not pinned to a full version", file, image)
				}
			}
		}
	}
	if images != 6 {
		t.Errorf("found %d base images, want 6", images)
	}
}

// TestDecisions checks that each record has the common format and is in the index.
func TestDecisions(t *testing.T) {
	t.Parallel()
	const dir = "docs/decisions"
	index := read(t, dir+"/README.md")
	format := regexp.MustCompile(`(?s)^# (\d{4})\. (\S[^\n]*)\n\n\* Status: (accepted|superseded by \[\d{4}\]\(\S+\))\n\* Date: \d{4}-\d\d-\d\d\n` +
		`\n## Context\n\n.+\n## Decision\n\n.+\n## Consequences\n\n.+\n## Alternatives\n\n.+\n$`)
	records, err := filepath.Glob(dir + "/[0-9]*.md")
	if err != nil || len(records) == 0 {
		t.Fatalf("got %d records, %v", len(records), err)
	}
	for _, file := range records {
		name := filepath.Base(file)
		parts := format.FindStringSubmatch(read(t, file))
		if parts == nil {
			t.Errorf("%s is not in the format of %s/README.md", file, dir)
			continue
		}
		if !strings.HasPrefix(name, parts[1]+"-") {
			t.Errorf("%s has the title of %s", file, parts[1])
		}
		if entry := "* [" + parts[1] + "](" + name + ") " + parts[2] + "\n"; strings.Count(index, entry) != 1 {
			t.Errorf("the index does not have exactly once: %s", entry)
		}
	}
}

// TestMetricsAreDocumented compares the metrics of the services with the operator's manual.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	_, manual, _ := strings.Cut(read(t, "docs/operations.md"), "\n## Metrics and alerts\n")
	manual, _, _ = strings.Cut(manual, "\n## ")
	documented := map[string]bool{}
	for _, name := range mentioned.FindAllStringSubmatch(manual, -1) {
		documented[name[1]] = true
	}
	registered := map[string]bool{}
	for _, dir := range []string{"betmaker/app", "lineprovider/app", "shared/httpedge", "shared/metrics"} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		before := len(registered)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, name := range metric.FindAllStringSubmatch(read(t, file), -1) {
				if registered[name[1]] = true; !documented[name[1]] {
					t.Errorf("%s: docs/operations.md does not mention stavka_%s", file, name[1])
				}
			}
		}
		if len(registered) == before {
			t.Errorf("%s registers no metric", dir)
		}
	}
	for name := range documented {
		if !registered[name] {
			t.Errorf("docs/operations.md mentions stavka_%s, which is not registered", name)
		}
	}
}

// TestCallsAreDocumented compares the operations of the contracts with the calls in docs/api.md.
func TestCallsAreDocumented(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, match := range call.FindAllStringSubmatch(read(t, "docs/api.md"), -1) {
		for method := range strings.SplitSeq(match[1]+match[2], ", ") {
			documented[strings.Trim(method, "`")+" "+match[3]] = true
		}
	}
	specified := map[string]bool{}
	for _, file := range []string{"api/betmaker.yaml", "api/lineprovider.yaml"} {
		var path, method string
		for _, match := range operation.FindAllStringSubmatch(read(t, file), -1) {
			switch {
			case match[1] != "":
				path = match[1]
			case match[2] != "":
				method = strings.ToUpper(match[2])
			case match[3] != "operations":
				name := method + " " + path
				if specified[name] = true; !documented[name] {
					t.Errorf("docs/api.md does not list %s", name)
				}
			}
		}
	}
	for name := range documented {
		if !specified[name] {
			t.Errorf("docs/api.md lists %s, which is in no contract", name)
		}
	}
}

// documents returns the text of every document, by its path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == ".git" || path == ".run" || path == "bin" || path == "data" || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			texts[path] = read(t, path)
		}
		return nil
	})
	if err != nil || len(texts) == 0 {
		t.Fatalf("got %d documents, %v", len(texts), err)
	}
	return texts
}

func withoutCode(text string) string {
	return codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(text, ""), "code")
}

// anchors returns the anchors of a document's headings as GitHub makes them, one a line.
func anchors(text string) string {
	var b strings.Builder
	for _, match := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(text, ""), -1) {
		name := notInAnchors.ReplaceAllString(strings.ToLower(match[1]), "")
		b.WriteString("#" + strings.ReplaceAll(name, " ", "-") + "\n")
	}
	return b.String()
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
