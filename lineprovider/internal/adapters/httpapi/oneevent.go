package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
	"stavka.local/shared/httpedge"
)

// oneEvent is the response to GET /event/{event_id}.
type oneEvent struct {
	ports.Snapshot

	ifNoneMatch string // of the request
}

// VisitGetEventResponse implements oapi.GetEventResponseObject.
func (e oneEvent) VisitGetEventResponse(w http.ResponseWriter) error {
	const aboutOneEvent = 320
	header := w.Header()
	tag := etag(e.Event)
	header.Set("ETag", tag)
	header.Set("Line-Epoch", e.Epoch.String())
	if e.ifNoneMatch != "" && isAmong(tag, e.ifNoneMatch) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	header.Set("Content-Type", "application/json")
	_, err := w.Write(append(appendEvent(make([]byte, 0, aboutOneEvent), e.Event), '\n'))
	return err
}

// isAmong reports whether If-None-Match has a tag. Whether a tag is weak makes no difference there.
func isAmong(tag, ifNoneMatch string) bool {
	for one := range strings.SplitSeq(ifNoneMatch, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}

// appendEvent appends an event as encoding/json writes it. It avoids the cost of encoding/json on the
// most frequent response of line-provider.
func appendEvent(b []byte, e domain.Event) []byte {
	b = e.Coefficient.Append(append(b, `{"coefficient":`...))
	b = strconv.AppendInt(append(b, `,"create_date":`...), e.CreatedAt.Unix(), 10)
	b = strconv.AppendInt(append(b, `,"deadline":`...), e.Deadline.Unix(), 10)
	b = append(b, `,"effective_at":`...)
	if e.EffectiveAt.IsZero() {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(b, e.EffectiveAt.Unix(), 10)
	}
	b = strconv.AppendInt(append(b, `,"event_id":`...), int64(e.ID), 10)
	b = append(b, `,"name":`...)
	if e.Name == "" {
		b = append(b, "null"...)
	} else {
		b = httpedge.AppendText(b, e.Name)
	}
	b = append(b, `,"recorded_at":`...)
	if e.RecordedAt.IsZero() {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(b, e.RecordedAt.UnixMilli(), 10)
	}
	b = strconv.AppendInt(append(b, `,"result_revision":`...), e.ResultRevision, 10)
	b = strconv.AppendInt(append(b, `,"seq":`...), e.Seq, 10)
	b = strconv.AppendInt(append(b, `,"state":`...), int64(e.State), 10)
	b = strconv.AppendBool(append(b, `,"suspended":`...), e.Suspended)
	b = strconv.AppendInt(append(b, `,"update_date":`...), e.UpdatedAt.Unix(), 10)
	b = strconv.AppendInt(append(b, `,"version":`...), e.Version, 10)
	return append(b, '}')
}
