package app

import (
	"encoding/hex"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stavka.local/betmaker/internal/adapters/ttlcache"
	"stavka.local/betmaker/internal/domain"
	"stavka.local/betmaker/internal/usecase"
	"stavka.local/shared/metrics"
)

// meters are bet-maker's own metrics, besides those of HTTP requests and of the process.
type meters struct {
	*metrics.Registry

	applied     *prometheus.CounterVec
	delay       *prometheus.HistogramVec
	impossible  *prometheus.CounterVec
	quarantined prometheus.Counter
	polls       *prometheus.CounterVec
	pollTime    prometheus.Histogram
	healed      prometheus.Counter

	batchSize prometheus.Histogram
	batchTime prometheus.Histogram

	unsettled  prometheus.Gauge
	settled    prometheus.Counter
	settleTime prometheus.Histogram

	paused       prometheus.Gauge
	redelivered  prometheus.Counter
	deadLettered prometheus.Counter
	deadLetters  prometheus.Gauge

	ledgerHead      *headCollector
	ledgerSealed    prometheus.Gauge
	ledgerFindings  *prometheus.GaugeVec
	ledgerChecked   prometheus.Gauge
	ledgerCheckTime prometheus.Gauge
}

func newMeters() *meters {
	r := metrics.New("betmaker")
	m := &meters{
		Registry: r,

		applied: r.CounterVec("feed_changes_applied_total",
			"Changes of events that were news, by the path that brought them and what they did.", "source", "effect"),
		delay: r.HistogramVec("feed_delay_seconds",
			"From a change on the line to its commit here, by the path that brought it. "+
				"The line tells whole seconds, so up to one second of it is rounding.",
			[]float64{.1, .25, .5, 1, 1.25, 1.5, 2, 3, 5, 10, 30, 60, 300, 3600}, "source"),
		impossible: r.CounterVec("feed_changes_impossible_total",
			"Changes that no line may send, by the path that brought them.", "source"),
		quarantined: r.Counter("events_quarantined_total", "Events put into quarantine by this replica."),
		polls:       r.CounterVec("feed_polls_total", "Reads of the line's change log to its end, by result.", "result"),
		pollTime:    r.Histogram("feed_poll_seconds", "How long such a read took.", metrics.LatencyBuckets()),
		healed: r.Counter("betmaker_reconciler_healed_total",
			"What only the reconciler found: results whose message never came although the bus was connected, "+
				"and bets that a sweep settled late. 0 while nothing gets lost."),

		batchSize: r.Histogram("bets_batch_size_bets", "Bets that were decided in one transaction.",
			[]float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}),
		batchTime: r.Histogram("bets_batch_seconds", "How long such a transaction took.", metrics.LatencyBuckets()),

		unsettled:  r.Gauge("events_unsettled", "Events with bets behind their result, at the last sweep."),
		settled:    r.Counter("bets_settled_total", "Bets moved to their event's result."),
		settleTime: r.Histogram("bets_settle_chunk_seconds", "How long one chunk of settling took.", metrics.LatencyBuckets()),

		paused:       r.Gauge("consumer_paused_deliveries", "Messages held back because they cannot be applied at the moment."),
		redelivered:  r.Counter("consumer_redelivered_total", "Messages that the broker handed out again."),
		deadLettered: r.Counter("consumer_dead_lettered_total", "Messages put aside because no retry can make them acceptable."),
		deadLetters:  r.Gauge("dead_letters", "Messages that have been put aside, when last counted."),

		ledgerHead: newHeadCollector(),
		ledgerSealed: r.Gauge("ledger_sealed_transfers",
			"All transfers with ids up to this one are sealed, as far as this replica knows."),
		ledgerFindings: r.GaugeVec("ledger_findings",
			"What was not in order at the last check of the ledger, by kind. Anything but 0 needs a person.", "kind"),
		ledgerChecked:   r.Gauge("ledger_checked_timestamp_seconds", "When the ledger was last checked; 0 for not yet."),
		ledgerCheckTime: r.Gauge("ledger_check_seconds", "How long the last check of the ledger took."),
	}
	for _, source := range []usecase.Source{usecase.FromPush, usecase.FromPage, usecase.FromLookup} {
		m.impossible.WithLabelValues(source.String())
		m.delay.WithLabelValues(source.String())
	}
	for _, kind := range domain.FindingKinds() {
		m.ledgerFindings.WithLabelValues(string(kind))
	}
	r.MustRegister(m.ledgerHead)
	return m
}

// connections returns the gauge of the connections to RabbitMQ. A bet-maker without one
// does not have it.
func (m *meters) connections() *prometheus.GaugeVec {
	connected := m.GaugeVec("rabbitmq_connected", "1 while the connection is up.", "connection")
	for _, connection := range []string{watchConnection, "changes", "heartbeats-watch"} {
		connected.WithLabelValues(connection)
	}
	return connected
}

// change takes note of a change that was news.
func (m *meters) change(source usecase.Source, effect domain.Effect, age time.Duration) {
	m.applied.WithLabelValues(source.String(), effectName(effect)).Inc()
	m.delay.WithLabelValues(source.String()).Observe(age.Seconds())
}

func effectName(effect domain.Effect) string {
	switch effect {
	case domain.EffectUpdated:
		return "updated"
	case domain.EffectResulted:
		return "resulted"
	case domain.EffectQuarantined:
		return "quarantined"
	default:
		return "none"
	}
}

func (m *meters) poll(took time.Duration, err error) {
	if err != nil {
		m.polls.WithLabelValues("failed").Inc()
		return
	}
	m.polls.WithLabelValues("done").Inc()
	m.pollTime.Observe(took.Seconds())
}

func (m *meters) batch(size int, took time.Duration) {
	m.batchSize.Observe(float64(size))
	m.batchTime.Observe(took.Seconds())
}

func (m *meters) settlement(bets int, took time.Duration) {
	m.settled.Add(float64(bets))
	m.settleTime.Observe(took.Seconds())
}

// seal takes note of the newest seal of the ledger.
func (m *meters) seal(head domain.Seal) {
	m.ledgerHead.head.Store(&head)
	m.ledgerSealed.Set(float64(head.Last))
}

// ledgerCheck takes note of a check of the ledger.
func (m *meters) ledgerCheck(report domain.LedgerReport, took time.Duration) {
	for _, kind := range domain.FindingKinds() {
		m.ledgerFindings.WithLabelValues(string(kind)).Set(float64(report.Found[kind]))
	}
	m.ledgerChecked.SetToCurrentTime()
	m.ledgerCheckTime.Set(took.Seconds())
}

// headCollector shows the newest seal of the ledger, and never two at once, as a gauge
// whose labels change could.
type headCollector struct {
	description *prometheus.Desc
	head        atomic.Pointer[domain.Seal]
}

func newHeadCollector() *headCollector {
	return &headCollector{description: prometheus.NewDesc("stavka_ledger_head",
		"Always 1; its labels are the newest seal of the ledger, which \"ledger verify --head SEAL:HASH\" expects to find.",
		[]string{"seal", "hash"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *headCollector) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- c.description }

// Collect implements prometheus.Collector.
func (c *headCollector) Collect(values chan<- prometheus.Metric) {
	head := c.head.Load()
	if head == nil {
		return // nothing is sealed yet
	}
	values <- prometheus.MustNewConstMetric(c.description, prometheus.GaugeValue, 1,
		strconv.FormatInt(head.ID, 10), hex.EncodeToString(head.Hash[:]))
}

// watchFeed shows what a feed says, whenever somebody looks.
func (m *meters) watchFeed(feed *usecase.Feed) {
	m.GaugeFunc("feed_alive", "1 while the line is known and bets are taken.", func() float64 {
		if feed.Check() != nil {
			return 0
		}
		return 1
	})
	m.GaugeFunc("feed_age_seconds", "How long ago the line was last heard of; -1 for never.", func() float64 {
		return secondsSince(feed.Status().Heard)
	})
	m.GaugeFunc("feed_behind_seconds", "For how long something that is known to exist has not been applied.", func() float64 {
		return max(0, secondsSince(feed.Status().Behind))
	})
	m.GaugeFunc("feed_lag_changes", "How many sequence numbers the change log, as read, is behind the line.", func() float64 {
		status := feed.Status()
		return float64(status.Last - status.Applied)
	})
	m.GaugeFunc("feed_cursor", "The sequence number up to which everything has been applied.", func() float64 {
		return float64(feed.Status().Applied)
	})
	m.GaugeFunc("feed_clock_skew_seconds", "How far line-provider's clock is ahead of ours.", func() float64 {
		return feed.ClockSkew().Seconds()
	})
}

func secondsSince(t time.Time) float64 {
	if t.IsZero() {
		return -1
	}
	return time.Since(t).Seconds()
}

// watchCache shows how often the cache helps.
func (m *meters) watchCache(cache *ttlcache.Events) {
	counter := func(name, help string, read func() uint64) {
		m.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Namespace: "stavka", Name: name, Help: help},
			func() float64 { return float64(read()) }))
	}
	counter("events_cache_hits_total", "Looks into the cache of events that found one.", func() uint64 {
		hits, _ := cache.Counts()
		return hits
	})
	counter("events_cache_misses_total", "Looks into the cache of events that found none.", func() uint64 {
		_, misses := cache.Counts()
		return misses
	})
}
