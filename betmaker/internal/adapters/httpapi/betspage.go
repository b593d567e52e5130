package httpapi

import (
	"bytes"
	"net/http"
	"sync"

	"stavka.local/betmaker/internal/domain"
)

// betsPage answers GET /api/bets.
type betsPage struct {
	bets []domain.Bet
	link *string
}

// VisitListBetsResponse implements oapi.ListBetsResponseObject.
func (p betsPage) VisitListBetsResponse(w http.ResponseWriter) error {
	buffer, _ := pageBuffers.Get().(*bytes.Buffer)
	defer pageBuffers.Put(buffer)
	buffer.Reset()
	buffer.WriteByte('[')
	for i, bet := range p.bets {
		if i > 0 {
			buffer.WriteByte(',')
		}
		buffer.Grow(aboutOneBet)
		buffer.Write(appendBet(buffer.AvailableBuffer(), bet))
	}
	buffer.WriteString("]\n")
	return writePage(w, buffer.Bytes(), p.link)
}

// pageBuffers reuses the memory of encoded pages.
var pageBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
