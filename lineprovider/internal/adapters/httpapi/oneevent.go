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
	b = append(b, `{"coefficient":`...)
	b = e.Coefficient.Append(b)
	b = append(b, `,"create_date":`...)
	b = strconv.AppendInt(b, e.CreatedAt.Unix(), 10)
	b = append(b, `,"deadline":`...)
	b = strconv.AppendInt(b, e.Deadline.Unix(), 10)
	b = append(b, `,"effective_at":`...)
	if e.EffectiveAt.IsZero() {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendInt(b, e.EffectiveAt.Unix(), 10)
	}
	b = append(b, `,"event_id":`...)
	b = strconv.AppendInt(b, int64(e.ID), 10)
	b = append(b, `,"name":`...)
	if e.Name == "" {
		b = append(b, "null"...)
	} else {
		b = httpedge.AppendText(b, e.Name)
	}
	b = append(b, `,"result_revision":`...)
	b = strconv.AppendInt(b, e.ResultRevision, 10)
	b = append(b, `,"seq":`...)
	b = strconv.AppendInt(b, e.Seq, 10)
	b = append(b, `,"state":`...)
	b = strconv.AppendInt(b, int64(e.State), 10)
	b = append(b, `,"suspended":`...)
	b = strconv.AppendBool(b, e.Suspended)
	b = append(b, `,"update_date":`...)
	b = strconv.AppendInt(b, e.UpdatedAt.Unix(), 10)
	b = append(b, `,"version":`...)
	b = strconv.AppendInt(b, e.Version, 10)
	return append(b, '}')
}
