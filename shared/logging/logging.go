// Package logging sets up log/slog as both services use it: text or JSON lines
// from a level on, each with the request id and the attributes of its context. A
// secret does not appear: its type, config.Secret, hides the value.
//
// The request id may be one that the client has chosen, even that of another
// request. Then a record has server_request_id, too, which is like no other.
//
// Nobody who sends a request can write a line of the log or hide a part of one:
// texts are cut at 256 characters (errors at 8192), and characters that cannot be
// seen are escaped, in both formats.
package logging

import (
	"context"
	"io"
	"log/slog"
	"slices"

	"stavka.local/shared/config"
	"stavka.local/shared/requestid"
)

// Format is the format of a record.
type Format string

// The formats.
const (
	Text Format = "text"
	JSON Format = "json"
)

// Options are the level and the format of a log. The zero value is text from info
// on.
type Options struct {
	Level  slog.Level
	Format Format
}

// Read reads LOG_LEVEL and LOG_FORMAT.
func Read(r *config.Reader) Options {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug,
		"info":  slog.LevelInfo,
		"warn":  slog.LevelWarn,
		"error": slog.LevelError,
	}
	return Options{
		Level:  levels[r.OneOf("LOG_LEVEL", []string{"info", "debug", "warn", "error"}, "The least severe records that are logged; debug has the reasons of refusals, and none of the values that were sent.")],
		Format: Format(r.OneOf("LOG_FORMAT", []string{string(Text), string(JSON)}, "The format of the log.")),
	}
}

// New returns a logger that writes to w, one line for each record.
func New(w io.Writer, o Options) *slog.Logger {
	ho, w := &slog.HandlerOptions{Level: o.Level}, io.Writer(visible{w})
	if o.Format == JSON {
		return slog.New(&contextHandler{slog.NewJSONHandler(w, ho)})
	}
	return slog.New(&contextHandler{slog.NewTextHandler(w, ho)})
}

type attrsKey struct{}

// With returns a context that adds attrs, such as the id of a message, to every
// record, after the attributes of ctx.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	before, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	return context.WithValue(ctx, attrsKey{}, slices.Concat(before, attrs))
}

// contextHandler adds the request ids and the attributes of the context.
type contextHandler struct{ next slog.Handler }

func (h *contextHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *contextHandler) Handle(ctx context.Context, record slog.Record) error {
	if isLong(record) {
		record = cutRecord(record)
	}
	if id := requestid.From(ctx); id != "" {
		record.AddAttrs(slog.String("request_id", id))
		if own := requestid.Server(ctx); own != id && own != "" {
			record.AddAttrs(slog.String("server_request_id", own))
		}
	}
	if attrs, ok := ctx.Value(attrsKey{}).([]slog.Attr); ok {
		record.AddAttrs(cutAttrs(attrs)...)
	}
	return h.next.Handle(ctx, record)
}

func (h *contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &contextHandler{h.next.WithAttrs(cutAttrs(attrs))}
}

func (h *contextHandler) WithGroup(name string) slog.Handler {
	return &contextHandler{h.next.WithGroup(name)}
}
