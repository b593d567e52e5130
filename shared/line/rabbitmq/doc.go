// Package rabbitmq carries the line over RabbitMQ. It implements line.Publisher and
// line.Subscriber for URLs of the schemes amqp and amqps. It works with RabbitMQ 3.10
// and later and does not rely on defaults of the broker.
//
//	            topic exchange "line"
//	Publisher ──┬─ event.changed ─┬─> quorum queue "event_status_updates" ──> ConsumeChanges (all replicas share)
//	            │                 │        │ rejected, or redelivered 1000 times
//	            │                 │        └─> direct exchange "line.dead" ─> quorum queue "event_status_updates.dead"
//	            │                 └─> one exclusive queue per watcher ─────> WatchChanges
//	            └─ feed.alive ──────> one exclusive queue per watcher ─────> WatchHeartbeats
//
// Every message is signed in the header hmac-sha256, see line.Keys. A message without the signature
// of an accepted service token is forged: the shared queue's consumer rejects it, watchers skip it,
// and nothing of it is read.
//
// Publisher and consumer both declare the durable part, so either may start first.
//
// Each publisher and each running subscription has its own connection: when the
// broker runs out of memory or disk it blocks whole connections that publish, and
// consuming is what frees memory and disk. A connection is never repaired. When it or its
// channel fails, it is discarded and a new one is dialled, after pauses that
// grow, until it succeeds. A delivery is acknowledged on the channel that delivered it. That channel is never
// opened again, so an acknowledgement cannot apply to another delivery.
package rabbitmq
