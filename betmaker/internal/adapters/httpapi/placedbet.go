package httpapi

import (
	"net/http"
	"strconv"

	"stavka.local/betmaker/internal/domain"
)

// placedBet answers POST /api/bets with the bet as it was accepted, even if it has been settled
// since.
type placedBet struct{ domain.Decision }

// VisitPlaceBetResponse implements oapi.PlaceBetResponseObject.
func (p placedBet) VisitPlaceBetResponse(w http.ResponseWriter) error {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Location", "/api/bets/"+strconv.FormatInt(int64(p.Bet.ID), 10))
	if p.Replayed {
		header.Set("Idempotent-Replayed", "true")
	}
	w.WriteHeader(http.StatusCreated)
	_, err := w.Write(append(appendBet(make([]byte, 0, aboutOneBet), p.Bet), '\n'))
	return err
}
