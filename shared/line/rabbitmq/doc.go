// Package rabbitmq carries the line over RabbitMQ: it is the adapter behind
// line.Publisher and line.Subscriber for URLs of the schemes amqp and amqps. It
// works with RabbitMQ 3.10 and later and leans on no default of the broker.
//
//	            topic exchange "line"
//	Publisher ──┬─ event.changed ─┬─> quorum queue "event_status_updates" ──> ConsumeChanges (all replicas share)
//	            │                 │        │ rejected, or redelivered 1000 times
//	            │                 │        └─> direct exchange "line.dead" ─> quorum queue "event_status_updates.dead"
//	            │                 └─> one exclusive queue per watcher ─────> WatchChanges
//	            └─ feed.alive ──────> one exclusive queue per watcher ─────> WatchHeartbeats
//
// Either side declares the durable part, so it does not matter who starts first.
//
// Each publisher and each running subscription has a connection of its own: the
// broker holds back a whole connection when it runs out of memory or disk, and
// consuming is what frees both. A connection is never repaired. When it or its
// channel fails, all of it is thrown away and another is dialled, after a pause
// that grows, for ever. A delivery is acknowledged on the channel it came from,
// which is never opened again, so no acknowledgement can meet another delivery.
package rabbitmq
