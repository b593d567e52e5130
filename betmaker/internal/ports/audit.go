package ports

import (
	"context"

	"stavka.local/betmaker/internal/domain"
)

// AuditFilter selects audit records. Zero fields select all.
type AuditFilter struct {
	By      domain.UserID
	Action  string
	Subject string
	// Before selects records with lower ids; zero starts at the newest.
	Before int64
}

// AuditLog reads the records of privileged actions. The methods that perform the actions write the records
// in the same transaction. Records never change.
type AuditLog interface {
	// Records returns up to limit records, newest first.
	Records(ctx context.Context, filter AuditFilter, limit int) ([]domain.AuditRecord, error)
}
