package ports

import (
	"context"

	"stavka.local/betmaker/internal/domain"
)

// AuditFilter narrows a list of audit records. Zero members do not narrow.
type AuditFilter struct {
	By      domain.UserID
	Action  string
	Subject string
	// Before is the page's start: only records with smaller ids. Zero for the newest.
	Before int64
}

// AuditLog reads the records of privileged actions. They are written by the methods that
// do the actions, in the same transaction, and never changed.
type AuditLog interface {
	// Records returns up to limit records, the newest first.
	Records(ctx context.Context, filter AuditFilter, limit int) ([]domain.AuditRecord, error)
}
