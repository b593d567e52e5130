// Package metrics makes the Prometheus registry of a service. Every name in it
// starts with "stavka_". It has metrics of the Go runtime, the process and the
// build from the start.
package metrics

import (
	"net/http"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// namespace is the prefix of all names.
const namespace = "stavka"

// Registry holds the metrics of a service. Its constructors take names without the
// prefix and register the metric that they return. They panic when the name is
// taken, which is a defect that shows at the start. It is safe for concurrent use.
type Registry struct {
	*prometheus.Registry
	auto promauto.Factory
}

// New returns the registry of the named service.
func New(service string) *Registry {
	reg := prometheus.NewRegistry()
	r := &Registry{Registry: reg, auto: promauto.With(reg)}
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	version, revision, goVersion := build()
	r.GaugeVec("build_info", "Always 1; its labels describe the build.", "service", "version", "revision", "go").
		WithLabelValues(service, version, revision, goVersion).Set(1)
	return r
}

// Handler returns the handler of a scrape.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.Registry, promhttp.HandlerOpts{Registry: r.Registry})
}

// Counter registers a counter; its name ends in _total.
func (r *Registry) Counter(name, help string) prometheus.Counter {
	return r.auto.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

// CounterVec registers a counter with labels.
func (r *Registry) CounterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return r.auto.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

// Gauge registers a gauge.
func (r *Registry) Gauge(name, help string) prometheus.Gauge {
	return r.auto.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

// GaugeVec registers a gauge with labels.
func (r *Registry) GaugeVec(name, help string, labels ...string) *prometheus.GaugeVec {
	return r.auto.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

// GaugeFunc registers a gauge that is read at each scrape. read must be safe for
// concurrent use and quick.
func (r *Registry) GaugeFunc(name, help string, read func() float64) {
	r.auto.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, read)
}

// Histogram registers a histogram; the unit ends its name (_seconds, _bets).
func (r *Registry) Histogram(name, help string, buckets []float64) prometheus.Histogram {
	return r.auto.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
}

// HistogramVec registers a histogram with labels.
func (r *Registry) HistogramVec(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return r.auto.NewHistogramVec(
		prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

// LatencyBuckets returns buckets for requests and database work, in seconds: from
// 0.5 ms to 10 s.
func LatencyBuckets() []float64 {
	return []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
}

func build() (version, revision, goVersion string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown", "unknown", "unknown"
	}
	revision = "unknown"
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return info.Main.Version, revision, info.GoVersion
}

// SetBool sets a gauge to 1 for true and to 0 for false.
func SetBool(gauge prometheus.Gauge, value bool) {
	if value {
		gauge.Set(1)
		return
	}
	gauge.Set(0)
}

// SetCount sets a gauge to a number of things.
func SetCount[N int | int64](gauge prometheus.Gauge, n N) { gauge.Set(float64(n)) }

// AddCount adds a number of things to a counter.
func AddCount[N int | int64](counter prometheus.Counter, n N) { counter.Add(float64(n)) }
