package httpedge

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-chi/chi/v5"

	"stavka.local/shared/pace"
	"stavka.local/shared/problem"
)

// BodyLimit is the length of the longest accepted body, in bytes.
const BodyLimit = 64 << 10

// discardFor is how long the rest of a refused body is awaited.
const discardFor = time.Second

const (
	// burstSeconds is for how many seconds a user may save up the requests of a second.
	burstSeconds = 5
	// refusalDelay is how long a request of a user who sends too many waits for its refusal.
	refusalDelay = 500 * time.Millisecond
)

// gate passes a request to the service when it is authenticated and matches the OpenAPI document. It
// uses the route that chi has found, so nothing is routed twice.
type gate struct {
	operations   map[operationKey]*operation
	authenticate func(context.Context, string) (context.Context, error)
	deferred     Deferred
	places       *places // for requests of the deferred operation; nil for no bound

	requests, deferredRequests *pace.Pace[string] // of users; nil for no bound
	compress                   func(http.Handler) http.Handler
}

type operationKey struct{ method, pattern string }

// operation is an operation of the document, prepared for checks.
type operation struct {
	secured    bool // a token is checked
	anonymous  bool // a token may be missing
	deferred   bool // see Deferred
	list       bool // the answer is a page, which may be long
	parameters []*openapi3.Parameter
	foreign    []string              // headers that only other operations take
	fixed      []string              // paths of their own that the path's parameters would match, too
	body       *openapi3.RequestBody // nil for none
	plain      *quickObject          // recognises usual JSON bodies; nil for none
	route      *routers.Route        // for openapi3filter
}

// filterOptions keep openapi3filter from changing requests. The service sets the defaults.
var filterOptions = &openapi3filter.Options{SkipSettingDefaults: true}

func newGate(doc *openapi3.T, o Options) (*gate, error) {
	g := &gate{
		operations: map[operationKey]*operation{}, authenticate: o.Authenticate, deferred: o.Deferred,
		places:   newPlaces(o.Deferred.AtOnce, o.Deferred.AtOncePerUser),
		requests: newPace(o.PerSecond), deferredRequests: newPace(o.Deferred.PerSecond),
	}
	if err := bearerOnly(doc); err != nil {
		return nil, err
	}
	found := o.Deferred.Operation == ""
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			prepared := &operation{
				route:      &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op},
				deferred:   op.OperationID != "" && op.OperationID == o.Deferred.Operation,
				parameters: parametersOf(item, op),
			}
			found = found || prepared.deferred
			prepared.list = prepared.takes(openapi3.ParameterInQuery, "limit")
			for _, p := range prepared.parameters {
				if p.Schema == nil {
					return nil, fmt.Errorf("parameter %s of %s %s has no schema", p.Name, method, path)
				}
				if p.In == openapi3.ParameterInCookie || !isSimple(p.Schema.Value) {
					return nil, fmt.Errorf("parameter %s of %s %s is not checked: it is in a cookie, or is neither a whole number, a boolean nor a string", p.Name, method, path)
				}
			}
			security := doc.Security
			if op.Security != nil {
				security = *op.Security
			}
			for _, alternative := range security {
				if len(alternative) == 0 {
					prepared.anonymous = true
				} else {
					prepared.secured = true
				}
			}
			if op.RequestBody != nil {
				prepared.body = op.RequestBody.Value
				if content := prepared.body.Content["application/json"]; content != nil {
					prepared.plain = newQuickObject(content.Schema.Value)
				}
			}
			g.operations[operationKey{method, path}] = prepared
		}
	}
	g.findForeignHeaders()
	g.findFixedPaths()
	if !found {
		return nil, fmt.Errorf("there is no operation %q to defer authentication for", o.Deferred.Operation)
	}
	return g, nil
}

// bearerOnly returns an error when the document has a security scheme other than a bearer token,
// because this package would not check it.
func bearerOnly(doc *openapi3.T) error {
	if doc.Components == nil {
		return nil
	}
	for name, ref := range doc.Components.SecuritySchemes {
		s := ref.Value
		if s.Type != "oauth2" && (s.Type != "http" || !strings.EqualFold(s.Scheme, "bearer")) {
			return fmt.Errorf("security scheme %s is not a bearer token", name)
		}
	}
	return nil
}

// parametersOf returns the parameters of the operation, and those of its path that the operation does
// not override.
func parametersOf(item *openapi3.PathItem, op *openapi3.Operation) []*openapi3.Parameter {
	var all []*openapi3.Parameter
	for _, ref := range item.Parameters {
		if op.Parameters.GetByInAndName(ref.Value.In, ref.Value.Name) == nil {
			all = append(all, ref.Value)
		}
	}
	for _, ref := range op.Parameters {
		all = append(all, ref.Value)
	}
	return all
}

// findForeignHeaders tells each operation the headers of the document that it does not take. A client
// that sends one, such as Idempotency-Key, would believe in an effect that it does not have.
func (g *gate) findForeignHeaders() {
	all := map[string]bool{}
	for _, op := range g.operations {
		for _, p := range op.parameters {
			if p.In == openapi3.ParameterInHeader {
				all[http.CanonicalHeaderKey(p.Name)] = true
			}
		}
	}
	for _, op := range g.operations {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if !op.takes(openapi3.ParameterInHeader, name) {
				op.foreign = append(op.foreign, name)
			}
		}
	}
}

// findFixedPaths tells each operation which paths of the document are not its own, although its
// parameters match them: "/users/me" is not a "/users/{user_id}".
func (g *gate) findFixedPaths() {
	for key, op := range g.operations {
		for other := range g.operations {
			if key.pattern != other.pattern && matches(key.pattern, other.pattern) && !slices.Contains(op.fixed, other.pattern) {
				op.fixed = append(op.fixed, other.pattern)
			}
		}
	}
}

// matches reports whether a pattern with parameters matches a path without.
func matches(pattern, path string) bool {
	parts, segments := strings.Split(pattern, "/"), strings.Split(path, "/")
	return len(parts) == len(segments) && !strings.Contains(path, "{") && !slices.ContainsFunc(parts, func(part string) bool {
		segment := segments[0]
		segments = segments[1:]
		return part != segment && !strings.HasPrefix(part, "{")
	})
}

// takes reports whether op has a parameter.
func (op *operation) takes(in, name string) bool {
	return slices.ContainsFunc(op.parameters, func(p *openapi3.Parameter) bool {
		return p.In == in && (p.Name == name || in == openapi3.ParameterInHeader && strings.EqualFold(p.Name, name))
	})
}

func (g *gate) middleware(next http.Handler) http.Handler {
	lists := g.compress(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op := g.operations[operationKey{r.Method, r.Pattern}]
		if op == nil {
			problem.Write(w, r, ErrNotFound)
			return
		}
		if len(op.fixed) > 0 && slices.Contains(op.fixed, r.URL.Path) {
			methodNotAllowed(w, r)
			return
		}
		ctx, err := g.identify(op, r)
		if err != nil {
			refuse(w, r, err)
			return
		}
		r = r.WithContext(ctx)
		if err := g.pace(ctx, op); err != nil {
			refuse(w, r, err)
			return
		}
		if err := op.check(w, r); err != nil {
			refuse(w, r, g.confirmed(ctx, op, err))
			return
		}
		if op.deferred && g.places != nil {
			user := countedAs(ctx)
			if !g.places.enter(ctx, user, g.deferred.Patience) {
				problem.Answer(w, r, ErrBusy)
				return
			}
			defer g.places.leave(user)
		}
		if op.list {
			lists.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// pace returns an error for a request of a user who sends too many. It returns it late, because a client
// that is refused at once may ask again at once.
func (g *gate) pace(ctx context.Context, op *operation) error {
	user, requests := countedAs(ctx), g.requests
	if op.deferred {
		requests = g.deferredRequests
	}
	if user == "" {
		return nil
	}
	delay := requests.Take(user)
	if delay == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
	case <-time.After(refusalDelay):
	}
	return ErrTooManyRequests.After(delay)
}

// newPace returns the pace of a number of requests in a second.
func newPace(perSecond int) *pace.Pace[string] {
	return pace.New[string](burstSeconds*perSecond, time.Second/time.Duration(max(perSecond, 1)))
}

// confirmed returns the fault to refuse a request with: the one of Confirm, or else refusal.
func (g *gate) confirmed(ctx context.Context, op *operation, refusal error) error {
	if !op.deferred {
		return refusal
	}
	return cmp.Or(g.deferred.Confirm(ctx), refusal)
}

// identify returns the context of the authenticated request.
func (g *gate) identify(op *operation, r *http.Request) (context.Context, error) {
	if !op.secured {
		return r.Context(), nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	switch {
	case scheme == "" && op.anonymous:
		return r.Context(), nil
	case !strings.EqualFold(scheme, "Bearer") || token == "":
		return nil, ErrUnauthenticated
	}
	if op.deferred {
		return g.deferred.Recognise(r.Context(), token)
	}
	return g.authenticate(r.Context(), token)
}

// check validates the request. The body can be read again afterwards.
func (op *operation) check(w http.ResponseWriter, r *http.Request) error {
	if err := op.checkParameters(r); err != nil {
		return err
	}
	if op.body == nil {
		return checkNoBody(r)
	}
	data, err := readBody(w, r)
	if err != nil {
		return err
	}
	if err := op.checkBody(r, data); err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	r.ContentLength = int64(len(data))
	return nil
}

func (op *operation) checkParameters(r *http.Request) error {
	query, err := op.query(r)
	if err != nil {
		return err
	}
	for _, name := range op.foreign {
		if len(r.Header[name]) > 0 {
			return invalid(name, "is not taken by this operation")
		}
	}
	for _, p := range op.parameters {
		var values []string
		switch p.In {
		case openapi3.ParameterInQuery:
			values = query[p.Name]
		case openapi3.ParameterInHeader:
			values = r.Header.Values(p.Name)
		case openapi3.ParameterInPath:
			values = []string{pathParameter(r, p.Name)}
		}
		switch {
		case len(values) > 1:
			return invalid(p.Name, "is given more than once")
		case len(values) == 1:
			if err := checkParameter(p, values[0]); err != nil {
				return err
			}
		case p.Required:
			return invalid(p.Name, "is missing")
		}
	}
	return nil
}

// query returns the parameters of the query, of which op takes all.
func (op *operation) query(r *http.Request) (url.Values, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid("query", "is not well formed")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !op.takes(openapi3.ParameterInQuery, name) {
			return nil, unknown(printable(name), "is not a known parameter")
		}
	}
	return query, nil
}

// pathParameter returns a decoded path parameter. chi routes on the encoded path when it differs from
// the decoded one.
func pathParameter(r *http.Request, name string) string {
	value := chi.URLParam(r, name)
	if r.URL.RawPath != "" {
		if decoded, err := url.PathUnescape(value); err == nil {
			return decoded
		}
	}
	return value
}

// checkParameter validates the text of a parameter.
func checkParameter(p *openapi3.Parameter, text string) error {
	if why := unclean(text); why != "" {
		return invalid(p.Name, why)
	}
	if text == "" && p.In == openapi3.ParameterInQuery {
		return invalid(p.Name, "must not be empty")
	}
	value, ok := parameterValue(p.Schema.Value, text)
	if !ok {
		return invalidValue(p.Name, "must be "+typeName(p.Schema.Value), itIs(strconv.Quote(text)))
	}
	if err := p.Schema.Value.VisitJSON(value); err != nil {
		return explain(p.Name, value, err)
	}
	return checkExactly(value, p.Schema.Value, []string{p.Name})
}

// isSimple reports whether parameterValue supports a schema.
func isSimple(s *openapi3.Schema) bool {
	return s.Type.Is(openapi3.TypeInteger) || s.Type.Is(openapi3.TypeBoolean) || s.Type.Is(openapi3.TypeString)
}

// parameterValue returns the value of a parameter, as encoding/json would decode it, or false when it is
// not of its schema's type.
func parameterValue(s *openapi3.Schema, text string) (any, bool) {
	switch {
	case s.Type.Is(openapi3.TypeInteger):
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil && text[0] != '+' // ParseInt, and with it the generated code, accepts a plus sign
	case s.Type.Is(openapi3.TypeBoolean):
		return text == "true", text == "true" || text == "false"
	default:
		return text, true
	}
}

// checkNoBody refuses a body for an operation that takes none.
func checkNoBody(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	switch _, err := io.ReadFull(r.Body, make([]byte, 1)); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		panic(http.ErrAbortHandler) // as in readBody
	default:
		return invalid("body", "is not taken by this operation")
	}
}

// readBody reads the whole body, and takes it from the request. When the client does not send all of it in time, readBody closes the
// connection, because the client would not read a response.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > BodyLimit {
		return nil, ErrBodyTooLarge
	}
	limited := http.MaxBytesReader(w, r.Body, BodyLimit)
	var (
		data []byte
		err  error
	)
	if r.ContentLength >= 0 {
		data = make([]byte, r.ContentLength)
		_, err = io.ReadFull(limited, data)
	} else {
		data, err = io.ReadAll(limited)
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, ErrBodyTooLarge
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = http.NoBody
	return data, nil
}

// refuse answers a request with a problem before it reads the rest of the body, so that a client that
// sends slowly holds nothing but its connection. Then it reads the rest for a moment, so that a client
// that is still sending gets the answer instead of a closed connection.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if r.Body == http.NoBody { // there is none, or it has been read
		problem.Write(w, r, err)
		return
	}
	// An error of c means that w does not write to a connection.
	c := http.NewResponseController(w)
	if r.ContentLength < 0 || r.ContentLength > 4*BodyLimit {
		// net/http answers before it reads the body when it closes the connection afterwards.
		w.Header().Set("Connection", "close")
		problem.Write(w, r, err)
		_ = c.SetReadDeadline(time.Now().Add(discardFor))
		return
	}
	_ = c.EnableFullDuplex() // otherwise net/http reads the body first
	problem.Write(w, r, err)
	_ = c.Flush()
	_ = c.SetReadDeadline(time.Now().Add(discardFor))
	if _, err := io.CopyN(io.Discard, r.Body, 4*BodyLimit); !errors.Is(err, io.EOF) {
		// net/http would take the rest of the body for the next request.
		panic(http.ErrAbortHandler)
	}
}

func (op *operation) checkBody(r *http.Request, data []byte) error {
	if len(data) == 0 {
		if op.body.Required {
			return invalid("body", "is missing")
		}
		return nil
	}
	mediaType, parameters, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	content := op.body.Content[mediaType]
	if content == nil || !isUTF8(parameters) || r.Header.Get("Content-Encoding") != "" {
		return ErrUnsupportedMediaType
	}
	if op.plain != nil && mediaType == "application/json" && op.plain.accepts(data) {
		return nil
	}
	if mediaType == "application/json" || strings.HasSuffix(mediaType, "+json") {
		value, err := parseJSON(data, content.Schema.Value)
		if err != nil {
			return err
		}
		return checkJSON(value, content.Schema.Value)
	}
	return op.checkForm(r, data, content.Schema.Value)
}

// isUTF8 reports whether the parameters of a media type name no charset other than UTF-8.
func isUTF8(parameters string) bool {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(name, "charset") && !strings.EqualFold(strings.Trim(value, `"`), "utf-8") {
			return false
		}
	}
	return true
}

// checkForm validates a form, which is any body that is not JSON. It shows no name that is not in the
// schema: the rest of a password with an ampersand looks like one.
func (op *operation) checkForm(r *http.Request, data []byte, schema *openapi3.Schema) error {
	form, err := url.ParseQuery(string(data))
	if err != nil {
		return invalid("body", "is not a well-formed form")
	}
	closed := schema.AdditionalProperties.Has != nil && !*schema.AdditionalProperties.Has
	for name, values := range form {
		field, of := name, ""
		if schema.Properties[name] == nil {
			field, of = "body", "has a field that is not known, and "
			if closed {
				return invalid("body", "has a field that is not known")
			}
		}
		if len(values) > 1 {
			return invalid(field, of+"is given more than once")
		}
		for _, text := range append(values, name) {
			if why := unclean(text); why != "" {
				return invalid(field, of+why)
			}
		}
	}
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(data))
	input := &openapi3filter.RequestValidationInput{Request: copied, Route: op.route, Options: filterOptions}
	if err := openapi3filter.ValidateRequestBody(r.Context(), input, op.body); err != nil {
		return explain("body", nil, err)
	}
	return nil
}

// unclean describes what is wrong with a text that must not reach a store, or returns "".
func unclean(text string) string {
	switch {
	case !utf8.ValidString(text):
		return "is not valid UTF-8"
	case strings.IndexByte(text, 0) >= 0:
		return "holds a NUL character"
	default:
		return ""
	}
}
