package redis

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"stavka.local/lineprovider/internal/domain"
	"stavka.local/lineprovider/internal/ports"
)

var _ ports.Store = (*Store)(nil)

// Create implements ports.Events.
func (s *Store) Create(ctx context.Context, c ports.Creation) (ports.Created, error) {
	body, err := encodeEvent(c.Change.After)
	if err != nil {
		return ports.Created{}, err
	}
	entry, err := encodeEntry(c.Change.Action, c.Change.After.CreatedAt, c.Author, "")
	if err != nil {
		return ports.Created{}, err
	}
	request := s.keys.request(randomName())
	key, fingerprint := request, "" // the script needs a key name even without a key
	if c.Key != nil {
		key, fingerprint = s.keyOf(*c.Key)
	}
	r, err := s.write(ctx, createScript, s.keys.with(
		s.keys.changes, s.keys.ids, s.keys.state(domain.StateNew), request, key, s.keys.historyPrefix(),
	), randomName(), rememberRequests.Milliseconds(), body, entry, fingerprint)
	if err != nil {
		return ports.Created{}, err
	}
	return created(r)
}

// Recall implements ports.Events.
func (s *Store) Recall(ctx context.Context, k ports.Key) (ports.Created, error) {
	key, fingerprint := s.keyOf(k)
	r, err := s.write(ctx, recallScript, s.keys.with(key), randomName(), fingerprint)
	if err != nil {
		return ports.Created{}, err
	}
	return created(r)
}

// created decodes the reply of create.lua and recall.lua.
func created(r *reply) (ports.Created, error) {
	verdict := r.text()
	result := ports.Created{Snapshot: ports.Snapshot{Epoch: r.epoch()}}
	switch verdict {
	case "reused":
		return ports.Created{}, domain.ErrKeyReused
	case "unknown":
		return ports.Created{}, r.done()
	case "created", "replayed":
		result.Replayed = verdict == "replayed"
		result.Event = r.event()
		return result, r.done()
	default:
		return ports.Created{}, fmt.Errorf("%w: verdict %.20q", errReply, verdict)
	}
}

// keyOf returns the Redis key and the fingerprint of an idempotency key. The key is hashed because
// its text may hold anything. A scope holds no zero byte.
func (s *Store) keyOf(k ports.Key) (key, fingerprint string) {
	sum := sha256.Sum256([]byte(k.Scope + "\x00" + k.Text))
	return s.keys.idempotency(hex.EncodeToString(sum[:])), hex.EncodeToString(k.Fingerprint[:])
}

// Apply implements ports.Events.
func (s *Store) Apply(ctx context.Context, u ports.Update) (ports.Snapshot, error) {
	before, after := u.Change.Before, u.Change.After
	if u.Change.IsEmpty() {
		return ports.Snapshot{Epoch: u.Epoch, Event: after}, s.confirm(ctx)
	}
	body, err := encodeEvent(after)
	if err != nil {
		return ports.Snapshot{}, err
	}
	entry, err := encodeEntry(u.Change.Action, after.UpdatedAt, u.Author, u.Reason)
	if err != nil {
		return ports.Snapshot{}, err
	}
	r, err := s.write(ctx, applyScript, s.keys.with(
		s.keys.changes, s.keys.request(randomName()), s.keys.history(after.ID),
		s.keys.state(before.State), s.keys.state(after.State),
	), randomName(), rememberRequests.Milliseconds(), u.Epoch.Dataset, before.Version, after.ID.String(), body, entry)
	if err != nil {
		return ports.Snapshot{}, err
	}
	verdict := r.text()
	snapshot := ports.Snapshot{Epoch: r.epoch()}
	switch verdict {
	case "stale":
		return ports.Snapshot{}, domain.ErrVersionMismatch.
			Detailf("Event %s no longer has version %d.", after.ID, before.Version)
	case "applied":
		snapshot.Event = r.event()
		return snapshot, r.done()
	default:
		return ports.Snapshot{}, fmt.Errorf("%w: verdict %.20q", errReply, verdict)
	}
}

// Events implements ports.Catalogue.
func (s *Store) Events(ctx context.Context, q ports.EventsQuery) (ports.EventsPage, error) {
	ids := s.keys.ids
	if q.State != 0 {
		ids = s.keys.state(q.State)
	}
	r, err := s.run(ctx, eventsScript, s.keys.with(ids), randomName(), exact(int64(q.After)), q.Limit)
	if err != nil {
		return ports.EventsPage{}, err
	}
	page := ports.EventsPage{Epoch: r.epoch(), More: r.text() == "1", Events: r.events()}
	return page, r.done()
}

// History implements ports.Catalogue.
func (s *Store) History(ctx context.Context, q ports.HistoryQuery) (ports.HistoryPage, error) {
	r, err := s.run(ctx, historyScript, s.keys.with(s.keys.history(q.ID)),
		randomName(), q.ID.String(), exact(q.After)+1, q.Limit+1)
	if err != nil {
		return ports.HistoryPage{}, err
	}
	page := ports.HistoryPage{Epoch: r.epoch()}
	if r.text() == "0" {
		return ports.HistoryPage{}, domain.ErrEventNotFound.Detailf("There is no event %s.", q.ID)
	}
	for r.more() {
		page.Entries = append(page.Entries, r.entry(q.ID))
	}
	if len(page.Entries) > q.Limit {
		page.Entries, page.More = page.Entries[:q.Limit], true
	}
	return page, r.done()
}

func (r *reply) entry(id domain.EventID) domain.Entry {
	version, seq, body, text := r.number(), r.number(), r.text(), r.text()
	if r.err != nil {
		return domain.Entry{}
	}
	event, err := decodeEvent(body)
	var entry domain.Entry
	if err == nil {
		entry, err = decodeEntry(text)
	}
	if err != nil {
		r.fail(fmt.Errorf("history of event %s, version %d: %w", id, version, err))
		return domain.Entry{}
	}
	event.ID, event.Version, event.Seq = id, version, seq
	entry.Event = event
	return entry
}

// exact bounds a cursor to the numbers that Lua holds exactly. All allotted numbers are below the
// bound.
func exact(cursor int64) int64 { return min(cursor, 1<<53-2) }

// Hold implements ports.Lease.
func (s *Store) Hold(ctx context.Context, ttl time.Duration) (bool, error) {
	r, err := s.run(ctx, holdScript, []string{s.keys.lease}, s.holder, ttl.Milliseconds())
	if err != nil {
		return false, err
	}
	held := r.text() == "1"
	return held, r.done()
}

// Release implements ports.Lease.
func (s *Store) Release(ctx context.Context) error {
	_, err := s.run(ctx, releaseScript, []string{s.keys.lease}, s.holder)
	return err
}
