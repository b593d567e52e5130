package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// ServiceToken is the token that line-provider accepts.
const ServiceToken = serviceToken

// Answer is the answer of a service.
type Answer struct {
	Header http.Header
	Body   []byte
}

// Ask returns the answer to a GET. It fails if the answer is not a success.
func Ask(ctx context.Context, address, token string) (Answer, error) {
	header, body, err := ask(ctx, http.MethodGet, address, token, "")
	return Answer{header, body}, err
}

// StartBare starts a process that gives every request the same answer, by a net/http handler
// that does nothing else.
func (r *Rig) StartBare(ctx context.Context, name string, answer Answer) (*Process, error) {
	program := filepath.Join(r.bin(), "bare")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./bare")
	build.Dir = filepath.Join(r.root, "bench")
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if _, err := output(build); err != nil {
		return nil, err
	}
	header := answer.Header.Clone()
	header.Del("Date") // net/http adds it
	text, err := json.Marshal(header)
	if err != nil {
		return nil, fmt.Errorf("write the header: %w", err)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	file := func(kind string) string { return filepath.Join(r.directory, "bare-"+name+"."+kind) }
	for kind, content := range map[string][]byte{"header": text, "body": answer.Body} {
		if err := os.WriteFile(file(kind), content, 0o600); err != nil {
			return nil, fmt.Errorf("write the answer: %w", err)
		}
	}
	p, err := startProcess(ctx, program, address, file("log"), map[string]string{
		"BARE_ADDR": address, "BARE_HEADER": file("header"), "BARE_BODY": file("body"),
	})
	if err != nil {
		return nil, err
	}
	r.onClose(p.Stop)
	return p, nil
}
