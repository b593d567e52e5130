package usecase

import (
	"context"
	"fmt"

	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// AuditLog shows privileged actions to administrators. Its member is required.
type AuditLog struct{ Store ports.AuditLog }

// Records returns up to limit records that match the filter, newest first. Errors:
// domain.ErrForbidden; those of the store.
func (a AuditLog) Records(ctx context.Context, by domain.Actor, filter ports.AuditFilter, limit int) ([]domain.AuditRecord, error) {
	if err := by.RequireAdmin(); err != nil {
		return nil, err
	}
	records, err := a.Store.Records(ctx, filter, limit)
	if err != nil {
		return nil, fmt.Errorf("list audit records: %w", err)
	}
	return records, nil
}
