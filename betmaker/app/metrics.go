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

// meters are bet-maker's own metrics. Those of HTTP requests and of the process are elsewhere.
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
	forged       *prometheus.CounterVec
	deadLetters  prometheus.Gauge

	passwordChecks *prometheus.CounterVec

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
			"Changes of events that were new here, by their path and their effect.", "source", "effect"),
		delay: r.HistogramVec("feed_delay_seconds",
			"Time from a change on the line to its commit here, by its path. "+
				"The line gives whole seconds, so up to one second of it is rounding.",
			[]float64{.1, .25, .5, 1, 1.25, 1.5, 2, 3, 5, 10, 30, 60, 300, 3600}, "source"),
		impossible: r.CounterVec("feed_changes_impossible_total",
			"Invalid changes, which no line may send, by their path.", "source"),
		quarantined: r.Counter("events_quarantined_total", "Events put into quarantine by this replica."),
		polls:       r.CounterVec("feed_polls_total", "Reads of the line's change log to its end, by result.", "result"),
		pollTime:    r.Histogram("feed_poll_seconds", "Duration of such a read.", metrics.LatencyBuckets()),
		healed: r.Counter("betmaker_reconciler_healed_total",
			"Losses that only the reconciler found: results without a message although the bus was connected, "+
				"and bets that a sweep settled late. 0 while nothing gets lost."),

		batchSize: r.Histogram("bets_batch_size_bets", "Bets that were decided in one transaction.",
			[]float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}),
		batchTime: r.Histogram("bets_batch_seconds", "Duration of such a transaction.", metrics.LatencyBuckets()),

		unsettled:  r.Gauge("events_unsettled", "Events with bets behind their result, at the last sweep."),
		settled:    r.Counter("bets_settled_total", "Bets moved to their event's result."),
		settleTime: r.Histogram("bets_settle_chunk_seconds", "Duration of settling one chunk.", metrics.LatencyBuckets()),

		paused:       r.Gauge("consumer_paused_deliveries", "Messages that wait in a consumer because they cannot be applied now."),
		redelivered:  r.Counter("consumer_redelivered_total", "Messages that the broker delivered again."),
		deadLettered: r.Counter("consumer_dead_lettered_total", "Messages that became dead letters because no retry can make them acceptable."),
		forged: r.CounterVec("consumer_forged_total",
			"Messages that are not signed under an accepted LINE_PROVIDER_TOKEN, by the connection over which they came.", "connection"),
		deadLetters: r.Gauge("dead_letters", "Dead letters, when last counted."),

		passwordChecks: r.CounterVec("password_checks_total",
			"Checks of passwords, by what for (login, or a change of the user's own account) and result.", "purpose", "result"),

		ledgerHead: newHeadCollector(),
		ledgerSealed: r.Gauge("ledger_sealed_transfers",
			"All transfers with ids up to this one are sealed, as far as this replica knows."),
		ledgerFindings: r.GaugeVec("ledger_findings",
			"Findings of the last check of the ledger, by kind. A person must look at anything but 0.", "kind"),
		ledgerChecked:   r.Gauge("ledger_checked_timestamp_seconds", "Time of the last check of the ledger; 0 before the first."),
		ledgerCheckTime: r.Gauge("ledger_check_seconds", "Duration of the last check of the ledger."),
	}
	for _, source := range []usecase.Source{usecase.FromPush, usecase.FromPage, usecase.FromLookup} {
		m.impossible.WithLabelValues(source.String())
		m.delay.WithLabelValues(source.String())
	}
	for _, kind := range domain.FindingKinds() {
		m.ledgerFindings.WithLabelValues(string(kind))
	}
	for _, purpose := range usecase.Purposes() {
		for _, result := range usecase.CheckResults() {
			m.passwordChecks.WithLabelValues(string(purpose), string(result))
		}
	}
	r.MustRegister(m.ledgerHead)
	return m
}

// connections registers and returns the gauge of the connections to RabbitMQ. A bet-maker without
// RabbitMQ does not have it.
func (m *meters) connections() *prometheus.GaugeVec {
	connected := m.GaugeVec("rabbitmq_connected", "1 while the connection is up.", "connection")
	for _, connection := range []string{watchConnection, "changes", "heartbeats-watch"} {
		connected.WithLabelValues(connection)
		m.forged.WithLabelValues(connection)
	}
	return connected
}

// change records a change that was new here.
func (m *meters) change(source usecase.Source, effect domain.Effect, age time.Duration) {
	m.applied.WithLabelValues(source.String(), effectNames[effect]).Inc()
	m.delay.WithLabelValues(source.String()).Observe(age.Seconds())
}

// The names of the effects in metrics.
var effectNames = map[domain.Effect]string{
	domain.EffectNone: "none", domain.EffectUpdated: "updated", domain.EffectResulted: "resulted", domain.EffectQuarantined: "quarantined",
}

func (m *meters) poll(took time.Duration, err error) {
	if err != nil {
		m.polls.WithLabelValues("failed").Inc()
		return
	}
	m.polls.WithLabelValues("done").Inc()
	m.pollTime.Observe(took.Seconds())
}

func (m *meters) passwordCheck(purpose usecase.Purpose, result usecase.CheckResult) {
	m.passwordChecks.WithLabelValues(string(purpose), string(result)).Inc()
}

func (m *meters) batch(size int, took time.Duration) {
	m.batchSize.Observe(float64(size))
	m.batchTime.Observe(took.Seconds())
}

func (m *meters) settlement(bets int, took time.Duration) {
	m.settled.Add(float64(bets))
	m.settleTime.Observe(took.Seconds())
}

// seal records the newest seal of the ledger.
func (m *meters) seal(head domain.Seal) {
	m.ledgerHead.head.Store(&head)
	m.ledgerSealed.Set(float64(head.Last))
}

// ledgerCheck records a check of the ledger.
func (m *meters) ledgerCheck(report domain.LedgerReport, took time.Duration) {
	for _, kind := range domain.FindingKinds() {
		m.ledgerFindings.WithLabelValues(string(kind)).Set(float64(report.Found[kind]))
	}
	m.ledgerChecked.SetToCurrentTime()
	m.ledgerCheckTime.Set(took.Seconds())
}

// headCollector shows the newest seal of the ledger. A gauge whose labels change could show two seals
// at once.
type headCollector struct {
	description *prometheus.Desc
	head        atomic.Pointer[domain.Seal]
}

func newHeadCollector() *headCollector {
	return &headCollector{description: prometheus.NewDesc("stavka_ledger_head",
		"Always 1; its labels are the newest seal of the ledger, for \"ledger verify --head SEAL:HASH\".",
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

// watchFeed registers gauges that read the state of the feed at each scrape.
func (m *meters) watchFeed(feed *usecase.Feed) {
	m.GaugeFunc("feed_alive", "1 while the line is known, the clocks agree, and bets are taken.", func() float64 {
		if feed.Check() != nil {
			return 0
		}
		return 1
	})
	m.GaugeFunc("feed_age_seconds", "Time since the line was last heard; -1 before that.", func() float64 {
		return secondsSince(feed.Status().Heard)
	})
	m.GaugeFunc("feed_behind_seconds", "How long a change that is known to exist has not been applied.", func() float64 {
		return max(0, secondsSince(feed.Status().Behind))
	})
	m.GaugeFunc("feed_lag_changes", "Sequence numbers by which the change log, as read, is behind the line.", func() float64 {
		status := feed.Status()
		return float64(status.Last - status.Applied)
	})
	m.GaugeFunc("feed_cursor", "The sequence number up to which all changes have been applied.", func() float64 {
		return float64(feed.Status().Applied)
	})
	m.GaugeFunc("feed_clock_skew_seconds", "How far line-provider's clock is ahead of the store's, as far as is certain.", func() float64 {
		return feed.ClockSkew().Line.Seconds()
	})
	m.GaugeFunc("store_clock_skew_seconds", "How far the store's clock is ahead of this process's, as far as is certain.", func() float64 {
		return feed.ClockSkew().Store.Seconds()
	})
}

func secondsSince(t time.Time) float64 {
	if t.IsZero() {
		return -1
	}
	return time.Since(t).Seconds()
}

// watchCache registers counters of the hits and misses of the cache.
func (m *meters) watchCache(cache *ttlcache.Events) {
	counter := func(name, help string, read func() uint64) {
		m.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Namespace: "stavka", Name: name, Help: help},
			func() float64 { return float64(read()) }))
	}
	counter("events_cache_hits_total", "Look-ups in the cache of events that found the event.", func() uint64 {
		hits, _ := cache.Counts()
		return hits
	})
	counter("events_cache_misses_total", "Look-ups in the cache of events that did not find the event.", func() uint64 {
		_, misses := cache.Counts()
		return misses
	})
}
