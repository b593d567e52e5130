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

// ServiceToken is the one that line-provider's operator shows.
const ServiceToken = serviceToken

// Answer is what a service has answered.
type Answer struct {
	Header http.Header
	Body   []byte
}

// Ask returns what a service answers to a GET, which must be a success.
func Ask(ctx context.Context, address, token string) (Answer, error) {
	header, body, err := ask(ctx, http.MethodGet, address, token, "")
	return Answer{header, body}, err
}

// StartBare starts a process that answers every request with the same answer, by a handler
// of net/http that does nothing else.
func (r *Rig) StartBare(ctx context.Context, name string, answer Answer) (*Process, error) {
	program := filepath.Join(r.bin(), "bare")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./bare")
	build.Dir = filepath.Join(r.root, "bench")
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if _, err := output(build); err != nil {
		return nil, err
	}
	header := answer.Header.Clone()
	header.Del("Date") // which net/http adds
	text, err := json.Marshal(header)
	if err != nil {
		return nil, fmt.Errorf("write down a header: %w", err)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	file := func(kind string) string { return filepath.Join(r.directory, "bare-"+name+"."+kind) }
	for kind, content := range map[string][]byte{"header": text, "body": answer.Body} {
		if err := os.WriteFile(file(kind), content, 0o600); err != nil {
			return nil, fmt.Errorf("write down an answer: %w", err)
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
