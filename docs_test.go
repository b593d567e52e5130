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
	metric = regexp.MustCompile(`\.(?:Counter|Gauge|Histogram)(?:Vec|Func)?\(\s*"([a-z_]+)"`)
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

// TestMetricsAreDocumented looks for every metric of the services in the operator's manual.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	manual := read(t, "docs/operations.md")
	for _, file := range []string{"betmaker/app/metrics.go", "lineprovider/app/metrics.go"} {
		names := metric.FindAllStringSubmatch(read(t, file), -1)
		if len(names) == 0 {
			t.Errorf("%s registers no metric", file)
		}
		for _, name := range names {
			if !regexp.MustCompile("`stavka_" + name[1] + `\b`).MatchString(manual) {
				t.Errorf("%s: docs/operations.md does not mention stavka_%s", file, name[1])
			}
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
