package rig

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Usage is what a process has used since its start, according to its metrics.
type Usage struct {
	CPU         float64 // seconds
	Allocations float64
	Allocated   float64 // bytes
}

// Since returns the usage since an earlier reading.
func (u Usage) Since(earlier Usage) Usage {
	return Usage{u.CPU - earlier.CPU, u.Allocations - earlier.Allocations, u.Allocated - earlier.Allocated}
}

// Usage reads the usage of the process.
func (p *Process) Usage(ctx context.Context) (Usage, error) {
	var u Usage
	err := p.readMetrics(ctx, map[string]*float64{
		"process_cpu_seconds_total":     &u.CPU,
		"go_memstats_mallocs_total":     &u.Allocations,
		"go_memstats_alloc_bytes_total": &u.Allocated,
	})
	return u, err
}

// readMetrics reads metrics without labels. It fails if one is missing.
func (p *Process) readMetrics(ctx context.Context, into map[string]*float64) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/metrics", http.NoBody)
	if err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	found := 0
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if into[name] == nil {
			continue
		}
		if *into[name], err = strconv.ParseFloat(value, 64); err != nil {
			return fmt.Errorf("read metric %s: %w", name, err)
		}
		found++
	}
	if found != len(into) {
		return fmt.Errorf("found only %d of %d metrics (%w)", found, len(into), lines.Err())
	}
	return nil
}
