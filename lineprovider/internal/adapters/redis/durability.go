package redis

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// ErrNotDurable means that the server could lose an acknowledged write, and that the options forbid
// such a server.
var ErrNotDurable = errors.New("redis must run with appendonly yes and appendfsync always")

// errTooFewReplicas means that the server has the write, but too few disks have it yet.
var errTooFewReplicas = errors.New("too few replicas have the write on disk")

// checkDurable checks the configuration of the server on every new connection, because after a
// failover the other server may be configured differently.
func (s *Store) checkDurable(ctx context.Context, conn *redis.Conn) error {
	config, err := conn.ConfigGet(ctx, "append*").Result()
	if isReply(err) { // CONFIG may be renamed away or denied
		s.warnOnce(ctx, "cannot check whether redis keeps acknowledged writes: CONFIG GET is refused",
			"error", err.Error())
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	if config["appendonly"] == "yes" && config["appendfsync"] == "always" {
		return nil
	}
	if s.requireDurable {
		return fmt.Errorf("%w; it has appendonly %s and appendfsync %s",
			ErrNotDurable, config["appendonly"], config["appendfsync"])
	}
	s.warnOnce(ctx, "REDIS CAN LOSE ACKNOWLEDGED CHANGES: run it with appendonly yes and appendfsync always",
		"appendonly", config["appendonly"], "appendfsync", config["appendfsync"])
	return nil
}

// warnOnce logs a warning unless it was the last one, so that a pool of connections does not repeat it.
func (s *Store) warnOnce(ctx context.Context, warning string, args ...any) {
	if last := s.warned.Swap(&warning); last == nil || *last != warning {
		s.log.WarnContext(ctx, warning, args...)
	}
}

// confirm returns nil once everything that this process has read is as durable as a write. A single
// server with appendfsync always returns durable data only.
func (s *Store) confirm(ctx context.Context) error {
	if s.waitReplicas == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), operationTime)
	defer cancel()
	_, err := s.repeat(ctx, func(ctx context.Context) (*reply, error) {
		conn := s.client.Conn()
		defer func() { _ = conn.Close() }()
		return nil, s.awaitReplicas(ctx, conn)
	})
	return err
}

// awaitReplicas waits until this server and enough replicas have all earlier writes of this server on
// disk. It writes the barrier key first, because WAITAOF waits for the last write of its own
// connection only, and another connection may have made the change in question.
func (s *Store) awaitReplicas(ctx context.Context, conn *redis.Conn) error {
	if err := conn.Set(ctx, s.keys.barrier, s.holder, 0).Err(); err != nil {
		return err
	}
	disks, err := conn.WaitAOF(ctx, 1, s.waitReplicas, waitForReplica).Result()
	if err != nil { // or the server is too old for WAITAOF
		return fmt.Errorf("%w: %w", errTooFewReplicas, err)
	}
	if len(disks) != 2 || disks[0] < 1 || disks[1] < int64(s.waitReplicas) {
		return fmt.Errorf("%w: %v of 1 and %d", errTooFewReplicas, disks, s.waitReplicas)
	}
	return nil
}
