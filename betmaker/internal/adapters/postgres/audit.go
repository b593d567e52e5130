package postgres

import (
	"context"
	"math"
	"strings"
	"time"

	"stavka.local/betmaker/internal/adapters/postgres/pgdb"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/ports"
)

// AuditLog implements ports.AuditLog.
type AuditLog struct{ pool *pool }

// Records implements ports.AuditLog.
func (a *AuditLog) Records(ctx context.Context, filter ports.AuditFilter, limit int) (records []domain.AuditRecord, err error) {
	err = a.pool.read(ctx, func(ctx context.Context, q *pgdb.Queries) error {
		rows, err := listAuditRecords(ctx, q, filter, limit32(limit))
		for _, row := range rows {
			records = append(records, auditRecordFromRow(row))
		}
		return err
	})
	return records, err
}

// listAuditRecords reads by the most selective index that the filter allows.
func listAuditRecords(ctx context.Context, q *pgdb.Queries, filter ports.AuditFilter, limit int32) ([]pgdb.AuditLog, error) {
	actor, before := int64(filter.By), filter.Before
	if before == 0 {
		before = math.MaxInt64
	}
	switch {
	case filter.Subject != "":
		return q.ListAuditRecordsOnSubject(ctx, pgdb.ListAuditRecordsOnSubjectParams{
			Subject: filter.Subject, BeforeID: before, ActorID: actor, Action: filter.Action, AtMost: limit,
		})
	case actor != 0:
		return q.ListAuditRecordsOfActor(ctx, pgdb.ListAuditRecordsOfActorParams{
			ActorID: actor, BeforeID: before, Action: filter.Action, AtMost: limit,
		})
	case filter.Action != "":
		return q.ListAuditRecordsOfAction(ctx, pgdb.ListAuditRecordsOfActionParams{Action: filter.Action, BeforeID: before, AtMost: limit})
	default:
		return q.ListAuditRecords(ctx, pgdb.ListAuditRecordsParams{BeforeID: before, AtMost: limit})
	}
}

// queueAuditRecord queues a record with the transaction's clock.
func queueAuditRecord(tx *transaction, r domain.AuditRecord, now time.Time) {
	exec(tx, (*pgdb.Queries).InsertAuditRecord, pgdb.InsertAuditRecordParams{
		At:              now,
		ActorID:         int64(r.By),
		Address:         r.Address,
		RequestID:       r.RequestID,
		ServerRequestID: r.ServerRequestID,
		Changed:         strings.Join(r.Changed, " "),
		Action:          r.Action,
		Subject:         r.Subject,
		Reason:          r.Reason,
		Before:          string(r.Before),
		After:           string(r.After),
	})
}
