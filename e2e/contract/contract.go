// Package contract checks every request and response of a test, errors included, against the
// OpenAPI document. It records which documented answers have been seen.
package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Answer is one documented answer of an operation. Code is empty unless the answer is a problem.
type Answer struct {
	Operation string
	Status    int
	Code      string
}

// String returns the answer as failing tests print it.
func (a Answer) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %d %s", a.Operation, a.Status, a.Code))
}

// ErrBroken is the error of an exchange that breaks the contract. Other errors mean that there was no exchange.
var ErrBroken = errors.New("against the contract")

// Spec is an OpenAPI document and the answers seen so far. It is safe for concurrent use.
type Spec struct {
	Document *openapi3.T
	router   routers.Router

	mu   sync.Mutex
	seen map[Answer]bool
}

// Load reads an OpenAPI document.
func Load(document []byte) (*Spec, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("load the document: %w", err)
	}
	doc.Servers = nil
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("route the document: %w", err)
	}
	return &Spec{Document: doc, router: router, seen: make(map[Answer]bool)}, nil
}

// Transport returns a transport that fails a request when its response breaks the contract,
// or when the server accepts a request that the contract refuses.
func (s *Spec) Transport(base http.RoundTripper) http.RoundTripper {
	return transport{spec: s, base: base}
}

type transport struct {
	spec *Spec
	base http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	sent, err := readBody(&req.Body)
	if err != nil {
		return nil, err
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err //nolint:wrapcheck // A transport returns the base's error as it is.
	}
	body, err := readBody(&resp.Body)
	if err != nil {
		return nil, err
	}
	if err := t.spec.check(req, sent, resp, body); err != nil {
		return nil, fmt.Errorf("%s %s answered %d %.300s, %w: %w", req.Method, req.URL.Path, resp.StatusCode, body, ErrBroken, err)
	}
	return resp, nil
}

// readBody reads a body and replaces it by a copy.
func readBody(body *io.ReadCloser) ([]byte, error) {
	if *body == nil || *body == http.NoBody {
		return nil, nil
	}
	data, err := io.ReadAll(*body)
	if err != nil {
		return nil, fmt.Errorf("read a body: %w", err)
	}
	if err := (*body).Close(); err != nil {
		return nil, fmt.Errorf("close a body: %w", err)
	}
	*body = io.NopCloser(bytes.NewReader(data))
	return data, nil
}

func (s *Spec) check(req *http.Request, sent []byte, resp *http.Response, body []byte) error {
	lookup := req.Clone(context.Background())
	lookup.Body = io.NopCloser(bytes.NewReader(sent))
	route, params, err := s.router.FindRoute(lookup)
	if err != nil {
		if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusMethodNotAllowed {
			return fmt.Errorf("the route is not in the contract: %w", err)
		}
		return checkProblem(resp, body)
	}
	documented := route.Operation.Responses.Status(resp.StatusCode)
	if documented == nil {
		return fmt.Errorf("status %d is not documented for %s", resp.StatusCode, route.Operation.OperationID)
	}
	isProblem := documented.Value.Content.Get("application/problem+json") != nil
	if isProblem {
		if err := checkProblem(resp, body); err != nil {
			return err
		}
	}
	input := &openapi3filter.RequestValidationInput{
		Request: lookup, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
			IncludeResponseStatus: true,
		},
	}
	if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil && resp.StatusCode < http.StatusBadRequest {
		return fmt.Errorf("the server accepted an invalid request: %w", err)
	}
	output := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header,
		Body: io.NopCloser(bytes.NewReader(body)), Options: input.Options,
	}
	if err := openapi3filter.ValidateResponse(context.Background(), output); err != nil {
		return fmt.Errorf("the response: %w", err)
	}
	answer := Answer{Operation: route.Operation.OperationID, Status: resp.StatusCode}
	if isProblem {
		answer.Code = problemCode(body)
		if !slices.Contains(codes(documented.Value), answer.Code) {
			return fmt.Errorf("code %q is not documented for %s %d", answer.Code, answer.Operation, answer.Status)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[answer] = true
	return nil
}

func problemCode(body []byte) string {
	var problem struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(body, &problem) // checkProblem has decoded it before
	return problem.Code
}

// checkProblem checks the common members of failures, on documented routes and others.
func checkProblem(resp *http.Response, body []byte) error {
	if got := resp.Header.Get("Content-Type"); got != "application/problem+json" {
		return fmt.Errorf("the content type of a failure is %q", got)
	}
	var problem struct {
		Title     string `json:"title"`
		Status    int    `json:"status"`
		Detail    string `json:"detail"`
		Code      string `json:"code"`
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(body, &problem); err != nil {
		return fmt.Errorf("the problem: %w", err)
	}
	if problem.Status != resp.StatusCode || problem.Code == "" || problem.Title == "" || problem.Detail == "" || problem.RequestID == "" {
		return fmt.Errorf("the problem of a %d lacks a member: %+v", resp.StatusCode, problem)
	}
	if resp.StatusCode == http.StatusInternalServerError {
		return fmt.Errorf("a defect: %s", body)
	}
	if wantsRetry := resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusTooManyRequests; wantsRetry {
		if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || after < 1 {
			return fmt.Errorf("Retry-After of a %d is %q", resp.StatusCode, resp.Header.Get("Retry-After"))
		}
	}
	return nil
}

func codes(response *openapi3.Response) []string {
	var list []string
	for _, code := range anySlice(response.Extensions["x-codes"]) {
		if text, ok := code.(string); ok {
			list = append(list, text)
		}
	}
	return list
}

func anySlice(value any) []any {
	list, _ := value.([]any)
	return list
}

// Documented returns every answer that the document lists, one for each code of a problem.
// Default responses are not listed answers.
func (s *Spec) Documented() []Answer {
	var answers []Answer
	for _, item := range s.Document.Paths.Map() {
		for _, operation := range item.Operations() {
			for status, response := range operation.Responses.Map() {
				code, err := strconv.Atoi(status)
				if err != nil {
					continue
				}
				if len(codes(response.Value)) == 0 {
					answers = append(answers, Answer{operation.OperationID, code, ""})
				}
				for _, name := range codes(response.Value) {
					answers = append(answers, Answer{operation.OperationID, code, name})
				}
			}
		}
	}
	slices.SortFunc(answers, func(a, b Answer) int { return strings.Compare(a.String(), b.String()) })
	return answers
}

// Unseen returns the documented answers that no response has given so far.
func (s *Spec) Unseen() []Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(s.Documented(), func(a Answer) bool { return s.seen[a] })
}
