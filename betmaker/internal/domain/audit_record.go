package domain

import (
	"encoding/json"
	"fmt"
	"time"
)

// Origin is where a request comes from.
type Origin struct {
	By        UserID // who asks; 0 for nobody who has signed in
	Address   string // of the client; "terminal" for an operator's, "configuration" for what it says
	RequestID string
}

// AuditRecord is one privileged action: who did what to what, when, from where, and why.
type AuditRecord struct {
	// ID, from 1, and At are set by the store.
	ID int64
	At time.Time
	Origin
	Action  string // such as "user.create"
	Subject string // what it was done to, such as "user:7"
	Reason  string // what whoever did it says about it
	// Before and After are JSON, of what the action is about; nil for nothing.
	Before, After json.RawMessage
}

// The privileged actions. (Payments are "wallet.deposit" and "wallet.withdrawal".)
const (
	ActionCreateUser     = "user.create"
	ActionChangeUser     = "user.change"
	ActionDeactivateUser = "user.deactivate"
	ActionVoid           = "event.void"
	ActionUndoVoid       = "event.undo_void"
	ActionResolve        = "event.resolve"
	ActionCancelBet      = "bet.cancel"
)

// UserSubject names a user, as what an action was done to.
func UserSubject(id UserID) string { return fmt.Sprintf("user:%d", id) }

// EventSubject names an event likewise.
func EventSubject(id EventID) string { return fmt.Sprintf("event:%d", id) }

// BetSubject names a bet likewise.
func BetSubject(id BetID) string { return fmt.Sprintf("bet:%d", id) }

// NewAuditRecord returns the record of an action, without id and time. before and
// after are marshalled; nil stands for nothing. It panics when they cannot be, which is
// a defect.
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
	// TokenVersion grows with a new password, which is not shown itself.
	TokenVersion int32 `json:"token_version"`
}

func (u User) profile() userProfile {
	return userProfile{u.Name, u.Username, u.Email, u.Role.String(), u.Active, u.TokenVersion}
}

// CreatedBy returns the record of u having been created.
func (u User) CreatedBy(from Origin) AuditRecord {
	return NewAuditRecord(from, ActionCreateUser, UserSubject(u.ID), "", nil, u.profile())
}

// ChangedBy returns the record of u having become next.
func (u User) ChangedBy(from Origin, next User) AuditRecord {
	action := ActionChangeUser
	if u.Active && !next.Active {
		action = ActionDeactivateUser
	}
	return NewAuditRecord(from, action, UserSubject(u.ID), "", u.profile(), next.profile())
}

// Caller is an actor and where their request comes from.
type Caller struct {
	Actor
	Address   string
	RequestID string
}

// Origin returns the caller as the audit log names them.
func (c Caller) Origin() Origin { return Origin{By: c.ID, Address: c.Address, RequestID: c.RequestID} }

// eventState is what people decide of an event, in the audit log.
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

// AmendedBy returns the record of e having come out of before.
func (e Event) AmendedBy(from Origin, action, reason string, before Event) AuditRecord {
	return NewAuditRecord(from, action, EventSubject(e.ID), reason, before.decided(), e.decided())
}

// betState is what becomes of a bet, in the audit log.
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

// CancelledBy returns the record of b having been cancelled by somebody else than its
// user.
func (b Bet) CancelledBy(from Origin, settlement Settlement) AuditRecord {
	after := b
	after.Settlement = settlement
	return NewAuditRecord(from, ActionCancelBet, BetSubject(b.ID), "", b.settled(), after.settled())
}
