package httpapi

import (
	"fmt"
	"time"

	"stavka.local/betmaker/internal/adapters/httpapi/oapi"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/fault"
	"stavka.local/shared/httpedge"
	"stavka.local/shared/instant"
	"stavka.local/shared/odds"
)

// From the wire.

// newPlacement converts the body of a request. The caller adds the user and the key.
func newPlacement(body oapi.NewBet) (domain.Placement, error) {
	placement := domain.Placement{
		EventID: domain.EventID(body.EventID),
		Stake:   body.Amount,
		Policy:  domain.OddsChangeAny,
	}
	if body.Coefficient != nil {
		if body.Coefficient.Less(odds.MustParse("1.00")) {
			return domain.Placement{}, invalid("coefficient", "must be at least 1.00")
		}
		placement.Seen, placement.Policy = *body.Coefficient, domain.OddsChangeNone
	}
	if body.OddsChange != nil {
		placement.Policy = oddsChange(*body.OddsChange)
	}
	if placement.Policy != domain.OddsChangeAny && placement.Seen.IsZero() {
		return domain.Placement{}, invalid("coefficient", fmt.Sprintf("is needed with odds_change %s", *body.OddsChange))
	}
	return placement, nil
}

func oddsChange(wire oapi.OddsChange) domain.OddsChange {
	switch wire {
	case oapi.OddsChangeHigher:
		return domain.OddsChangeHigher
	case oapi.OddsChangeAny:
		return domain.OddsChangeAny
	case oapi.OddsChangeNone:
		return domain.OddsChangeNone
	default:
		return domain.OddsChangeNone
	}
}

func newUser(body oapi.NewUser) domain.NewUser {
	user := domain.NewUser{Name: body.Name, Username: body.Username, Email: body.Email, Role: domain.RoleUser}
	if body.Role != nil {
		user.Role = role(*body.Role)
	}
	return user
}

func userChange(body oapi.UserPatch) domain.UserChange {
	change := domain.UserChange{Name: body.Name, Username: body.Username, Email: body.Email, Password: body.Password, CurrentPassword: body.CurrentPassword}
	if body.Role != nil {
		change.Role = new(role(*body.Role))
	}
	return change
}

func role(wire oapi.Role) domain.Role {
	if wire == oapi.RoleAdmin {
		return domain.RoleAdmin
	}
	return domain.RoleUser
}

// earliestVoid bounds void windows. No bet was accepted earlier, and much earlier instants have no
// text form in UTC.
var earliestVoid = time.Unix(0, 0)

func checkVoid(body oapi.NewVoidWindow) error {
	if body.From.Before(earliestVoid) {
		return invalid("from", "must not be before 1970")
	}
	return nil
}

func invalid(field, what string) *fault.Error {
	return httpedge.ErrInvalidRequest.Detailf("%s %s.", field, what).With("field", field)
}

// To the wire.

func wireUser(u domain.User) oapi.User {
	return oapi.User{
		ID:        int64(u.ID),
		Name:      u.Name,
		Username:  u.Username,
		Email:     u.Email,
		Role:      oapi.Role(u.Role.String()),
		Active:    u.Active,
		CreatedAt: instant.Of(u.CreatedAt),
		UpdatedAt: instant.Of(u.UpdatedAt),
	}
}

func wireEvent(e domain.Event) oapi.Event {
	return oapi.Event{
		EventID:     int64(e.ID),
		Name:        unlessZero(e.Name),
		Coefficient: e.Coefficient,
		Deadline:    e.Deadline.Unix(),
		State:       oapi.EventState(e.State),
		Suspended:   e.Suspended || e.Quarantined, // to users it means the same
		Version:     e.Version,
	}
}

// WireBet returns a bet as the API shows it.
func WireBet(b domain.Bet) oapi.Bet {
	wire := oapi.Bet{
		ID:              int64(b.ID),
		EventID:         int64(b.EventID),
		UserID:          int64(b.UserID),
		Amount:          b.Stake,
		Coefficient:     b.Coefficient,
		EventVersion:    b.EventVersion,
		Status:          oapi.BetStatus(b.Status.String()),
		PotentialPayout: b.PotentialPayout(),
		CreatedAt:       instant.Of(b.AcceptedAt),
	}
	if b.Status != domain.StatusPending {
		wire.SettleRevision = b.Revision
		wire.Payout = new(b.Payout)
		wire.SettledAt = new(instant.Of(b.SettledAt))
	}
	if b.Status == domain.StatusVoid {
		wire.VoidReason = new(b.VoidReason.String())
	}
	return wire
}

func wireWallet(w usecase.WalletStatus) oapi.Wallet {
	limit := w.StakeLimit.At(w.At)
	wire := oapi.Wallet{
		UserID:              int64(w.UserID),
		Balance:             w.Balance,
		Held:                w.Held,
		Debt:                w.Debt,
		DailyStakeLimit:     unlessZero(limit.Amount),
		NextDailyStakeLimit: unlessZero(limit.Next),
		StakedToday:         w.StakedOn(domain.DayOf(w.At)),
	}
	wire.NextDailyStakeLimitAt = instant.Optional(limit.NextAt)
	if w.IsExcluded(w.At) {
		wire.ExcludedUntil = instant.Optional(w.ExcludedUntil)
	}
	return wire
}

func wireTransfer(t domain.Transfer) oapi.Transfer {
	return oapi.Transfer{
		ID:             int64(t.ID),
		UserID:         int64(t.UserID),
		Debit:          t.Debit.Name(t.UserID),
		Credit:         t.Credit.Name(t.UserID),
		Amount:         t.Amount,
		Kind:           oapi.TransferKind(t.Kind.String()),
		BetID:          unlessZero(int64(t.BetID)),
		SettleRevision: t.Revision,
		Reference:      unlessZero(t.Reference),
		CreatedAt:      instant.Of(t.At),
	}
}

func wireVoid(event domain.EventID, w domain.VoidWindow) oapi.VoidWindow {
	wire := oapi.VoidWindow{
		ID:         w.ID,
		EventID:    int64(event),
		From:       instant.Of(w.From),
		To:         instant.Of(w.To),
		Reason:     w.Reason,
		By:         int64(w.By),
		CreatedAt:  instant.Of(w.At),
		UndoneBy:   unlessZero(int64(w.UndoneBy)),
		UndoReason: unlessZero(w.UndoReason),
	}
	if !w.IsActive() {
		wire.UndoneAt = instant.Optional(w.UndoneAt)
	}
	return wire
}

func wireAuditRecord(r domain.AuditRecord) oapi.AuditRecord {
	wire := oapi.AuditRecord{
		ID:              r.ID,
		At:              instant.Of(r.At),
		ActorID:         unlessZero(int64(r.By)),
		Address:         r.Address,
		RequestID:       r.RequestID,
		ServerRequestID: r.ServerRequestID,
		Changed:         append([]string{}, r.Changed...),
		Action:          r.Action,
		Subject:         r.Subject,
		Reason:          unlessZero(r.Reason),
	}
	if r.Before != nil {
		wire.Before = &r.Before
	}
	if r.After != nil {
		wire.After = &r.After
	}
	return wire
}

// all converts a list. An empty one becomes [], not null.
func all[From, To any](list []From, convert func(From) To) []To {
	wire := make([]To, 0, len(list))
	for _, item := range list {
		wire = append(wire, convert(item))
	}
	return wire
}

// unlessZero returns nil for a zero value, which is null in JSON.
func unlessZero[T comparable](value T) *T {
	var nothing T
	if value == nothing {
		return nil
	}
	return &value
}
