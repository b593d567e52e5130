package domain

import (
	"encoding/json"
	"fmt"
	"time"
)

// Origin is the source of a request.
type Origin struct {
	By              UserID // the signed-in user; 0 for none
	Address         string // of the client; "terminal" for an operator, "configuration" for a setting
	RequestID       string // with which the request was answered; the client may have chosen it
	ServerRequestID string // made here, like no other
}

// AuditRecord is the record of one privileged action.
type AuditRecord struct {
	// ID, from 1, and At are set by the store.
	ID int64
	At time.Time
	Origin
	Action  string // such as "user.create"
	Subject string // the object of the action, such as "user:7"
	Reason  string // as given in the request
	// Changed names what the action on a user changed, also what Before and After do not show: a
	// password.
	Changed []string
	// Before and After describe the subject in JSON; nil for nothing.
	Before, After json.RawMessage
}

// The privileged actions. (Payments are "wallet.deposit" and "wallet.withdrawal".)
const (
	ActionCreateUser     = "user.create"
	ActionChangeUser     = "user.change"
	ActionDeactivateUser = "user.deactivate"
	ActionUnlockUser     = "user.unlock"
	ActionVoid           = "event.void"
	ActionUndoVoid       = "event.undo_void"
	ActionResolve        = "event.resolve"
	ActionCancelBet      = "bet.cancel"
)

// UserSubject returns the subject of an action on a user.
func UserSubject(id UserID) string { return fmt.Sprintf("user:%d", id) }

// EventSubject returns the subject of an action on an event.
func EventSubject(id EventID) string { return fmt.Sprintf("event:%d", id) }

// BetSubject returns the subject of an action on a bet.
func BetSubject(id BetID) string { return fmt.Sprintf("bet:%d", id) }

// NewAuditRecord returns the record of an action without id and time. It marshals before and after;
// nil stands for nothing. It panics if they cannot be marshalled, which is a defect.
func NewAuditRecord(from Origin, action, subject, reason string, before, after any) AuditRecord {
	return AuditRecord{
		Origin: from, Action: action, Subject: subject, Reason: reason, Before: marshal(before), After: marshal(after),
	}
}

func marshal(value any) json.RawMessage {
	if value == nil {
		return nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("audit: %v", err))
	}
	return data
}

// userProfile is a user in the audit log.
type userProfile struct {
	Name     string `json:"name"`
	Username string `json:"username"`
	Email    string `json:"email"`
	Role     string `json:"role"`
	Active   bool   `json:"active"`
	// TokenVersion grows with a new password, which the record does not show.
	TokenVersion int32 `json:"token_version"`
}

func (u User) profile() userProfile {
	return userProfile{u.Name, u.Username, u.Email, u.Role.String(), u.Active, u.TokenVersion}
}

// CreatedBy returns the record of the creation of u.
func (u User) CreatedBy(from Origin) AuditRecord {
	return NewAuditRecord(from, ActionCreateUser, UserSubject(u.ID), "", nil, u.profile())
}

// ChangedBy returns the record of a change from u to next.
func (u User) ChangedBy(from Origin, change UserChange, next User) AuditRecord {
	action := ActionChangeUser
	if u.Active && !next.Active {
		action = ActionDeactivateUser
	}
	record := NewAuditRecord(from, action, UserSubject(u.ID), "", u.profile(), next.profile())
	record.Changed = change.changed(u, next)
	return record
}

// UnlockedBy returns the record of the end of a lockout of u.
func (u User) UnlockedBy(from Origin) AuditRecord {
	return NewAuditRecord(from, ActionUnlockUser, UserSubject(u.ID), "", nil, nil)
}

// Caller is an actor and the source of their request.
type Caller struct {
	Actor
	Address   string
	RequestID string
	// ServerRequestID is as that of Origin.
	ServerRequestID string
}

// Origin returns the caller as an origin.
func (c Caller) Origin() Origin {
	return Origin{By: c.ID, Address: c.Address, RequestID: c.RequestID, ServerRequestID: c.ServerRequestID}
}

// eventState is the part of an event that people decide, in the audit log.
type eventState struct {
	State          State        `json:"state"`
	Quarantined    bool         `json:"quarantined"`
	VoidBefore     time.Time    `json:"void_before,omitzero"`
	VoidWindows    []VoidWindow `json:"void_windows,omitempty"`
	SettleRevision int64        `json:"settle_revision"`
}

func (e Event) decided() eventState {
	return eventState{e.State, e.Quarantined, e.VoidBefore, e.VoidWindows, e.SettleRevision}
}

// AmendedBy returns the record of the change from before to e.
func (e Event) AmendedBy(from Origin, action, reason string, before Event) AuditRecord {
	return NewAuditRecord(from, action, EventSubject(e.ID), reason, before.decided(), e.decided())
}

// betState is the settlement of a bet in the audit log.
type betState struct {
	Status     string `json:"status"`
	VoidReason string `json:"void_reason,omitempty"`
}

func (b Bet) settled() betState {
	state := betState{Status: b.Status.String()}
	if b.VoidReason != 0 {
		state.VoidReason = b.VoidReason.String()
	}
	return state
}

// CancelledBy returns the record of the cancellation of b by an administrator.
func (b Bet) CancelledBy(from Origin, standing Standing) AuditRecord {
	after := b
	after.Standing = standing
	return NewAuditRecord(from, ActionCancelBet, BetSubject(b.ID), "", b.settled(), after.settled())
}
