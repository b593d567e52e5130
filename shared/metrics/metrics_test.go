package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"stavka.local/shared/metrics"
)

func scrape(t *testing.T, m *metrics.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestScrape(t *testing.T) {
	t.Parallel()
	m := metrics.New("bet-maker")
	m.Counter("bets_total", "Bets.").Add(2)
	m.CounterVec("refusals_total", "Refusals.", "code").WithLabelValues("event_closed").Inc()
	m.Gauge("settlements_pending", "Pending.").Set(3)
	m.GaugeVec("dependency_up", "Up.", "name").WithLabelValues("postgres").Set(1)
	m.GaugeFunc("feed_lag_seconds", "Lag.", func() float64 { return 1.5 })
	m.Histogram("batch_size_bets", "Batches.", []float64{1, 8, 64}).Observe(5)
	m.HistogramVec("step_seconds", "Steps.", metrics.LatencyBuckets(), "step").WithLabelValues("close").Observe(.2)

	got := scrape(t, m)
	for _, want := range []string{
		"stavka_bets_total 2\n",
		`stavka_refusals_total{code="event_closed"} 1`,
		"stavka_settlements_pending 3\n",
		`stavka_dependency_up{name="postgres"} 1`,
		"stavka_feed_lag_seconds 1.5\n",
		`stavka_batch_size_bets_bucket{le="8"} 1`,
		`stavka_step_seconds_bucket{step="close",le="0.25"} 1`,
		`service="bet-maker"`,
		"go_goroutines ",
		"process_open_fds ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the scrape has no %s", want)
		}
	}
}

func TestRegistriesAreIndependent(t *testing.T) {
	t.Parallel()
	first, second := metrics.New("first"), metrics.New("second")
	first.Counter("bets_total", "Bets.").Inc()
	second.Counter("bets_total", "Bets.")
	if got := scrape(t, second); !strings.Contains(got, "stavka_bets_total 0\n") {
		t.Error("two services in one process share a metric")
	}
}

func TestTakenNamePanics(t *testing.T) {
	t.Parallel()
	m := metrics.New("test")
	m.Counter("bets_total", "Bets.")
	defer func() {
		if recover() == nil {
			t.Error("one name was registered twice")
		}
	}()
	m.Counter("bets_total", "Bets.")
}
