package sqlite

import (
	"context"
	"math"
	"time"

	"stavka.local/betmaker/internal/adapters/sqlite/sqlitedb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// AuditLog implements ports.AuditLog.
type AuditLog struct{ db *database }

// Records implements ports.AuditLog.
func (a *AuditLog) Records(ctx context.Context, filter ports.AuditFilter, limit int) ([]domain.AuditRecord, error) {
	return read(ctx, a.db, func(ctx context.Context, q *sqlitedb.Queries) (records []domain.AuditRecord, err error) {
		rows, err := listAuditRecords(ctx, q, filter, int64(limit))
		for _, row := range rows {
			records = append(records, auditRecordFromRow(row))
		}
		return records, err
	})
}

func listAuditRecords(ctx context.Context, q *sqlitedb.Queries, filter ports.AuditFilter, limit int64) ([]sqlitedb.AuditLog, error) {
	actor, before := int64(filter.By), filter.Before
	if before == 0 {
		before = math.MaxInt64
	}
	switch {
	case filter.Subject != "":
		return q.ListAuditRecordsOnSubject(ctx, sqlitedb.ListAuditRecordsOnSubjectParams{
			Subject: filter.Subject, ActorID: actor, Action: filter.Action, BeforeID: before, AtMost: limit,
		})
	case actor != 0:
		return q.ListAuditRecordsOfActor(ctx, sqlitedb.ListAuditRecordsOfActorParams{
			ActorID: actor, Action: filter.Action, BeforeID: before, AtMost: limit,
		})
	case filter.Action != "":
		return q.ListAuditRecordsOfAction(ctx, sqlitedb.ListAuditRecordsOfActionParams{
			Action: filter.Action, BeforeID: before, AtMost: limit,
		})
	default:
		return q.ListAuditRecords(ctx, sqlitedb.ListAuditRecordsParams{BeforeID: before, AtMost: limit})
	}
}

// writeAudit writes the record of the transaction, unless it is nil.
func writeAudit(ctx context.Context, q *sqlitedb.Queries, record *domain.AuditRecord, now time.Time) error {
	if record == nil {
		return nil
	}
	return q.InsertAuditRecord(ctx, auditRecordToRow(*record, now))
}
