package httpedge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"

	"stavka.local/shared/problem"
)

// docs serves Swagger UI from the binary: the page and the files that it needs.
type docs struct {
	page   []byte
	policy string // the page's Content-Security-Policy
	files  http.Handler
}

var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// newDocs renders the page once. The policy allows the scripts of the page and no others.
func newDocs(title string) (*docs, error) {
	ui := v5emb.NewHandlerWithConfig(swgui.Config{
		Title: title, SwaggerJSON: specPath, BasePath: docsPath,
		SettingsUI: map[string]string{
			"tryItOutEnabled":          "true",
			"displayRequestDuration":   "true",
			"defaultModelsExpandDepth": "0",
		},
	})
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, docsPath, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("render the API documentation: %w", err)
	}
	var page pageWriter
	ui.ServeHTTP(&page, request)

	scripts := []string{"'self'"}
	for _, match := range inlineScript.FindAllSubmatch(page.Bytes(), -1) {
		sum := sha256.Sum256(match[1])
		scripts = append(scripts, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	policy := strings.Join([]string{
		"default-src 'none'",
		"script-src " + strings.Join(scripts, " "),
		"style-src 'self' 'unsafe-inline'", // Swagger UI sets styles on its elements
		"img-src 'self' data:",
		"connect-src 'self'",
		"form-action 'none'",
		"base-uri 'none'",
		"frame-ancestors 'none'",
	}, "; ")
	return &docs{page: page.Bytes(), policy: policy, files: ui}, nil
}

func (d *docs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Del("Cache-Control") // the same for everybody
	switch name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, docsPath), "/"); {
	case name == "":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", d.policy)
		_, _ = w.Write(d.page) //nolint:gosec // rendered in New, not from a request; the client may be gone
	case slices.Contains([]string{
		"swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js",
		"favicon-16x16.png", "favicon-32x32.png",
	}, name):
		d.files.ServeHTTP(w, r)
	default:
		problem.Write(w, r, ErrNotFound)
	}
}

// pageWriter is a response writer that keeps the body.
type pageWriter struct {
	bytes.Buffer
	header http.Header
}

func (p *pageWriter) Header() http.Header {
	if p.header == nil {
		p.header = http.Header{}
	}
	return p.header
}

func (p *pageWriter) WriteHeader(int) {}
