// Package report saves measures as JSON, and makes the table and the chart of all parts
// from it.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Measure is one figure: a comparison of two programs that were run in turn, or, if Theirs
// is empty, a reading with an absolute goal.
type Measure struct {
	Name    string `json:"name"`    // what is measured
	Against string `json:"against"` // the competitor; "" for none
	Unit    string `json:"unit"`
	// Lower is set if less is better.
	Lower bool `json:"lower"`
	// Reach is the goal for the ratio, or without a competitor for the reading; 0 for none.
	Reach float64 `json:"reach"`
	// Ours and Theirs are the readings, in the order of the turns.
	Ours   []float64 `json:"ours"`
	Theirs []float64 `json:"theirs"`
	// Note explains the figure or its limits.
	Note string `json:"note"`
}

// Ratios returns ours to theirs, turn by turn.
func (m Measure) Ratios() []float64 {
	ratios := make([]float64, min(len(m.Ours), len(m.Theirs)))
	for i := range ratios {
		ratios[i] = m.Ours[i] / m.Theirs[i]
	}
	return ratios
}

// Figure returns the values that are compared with Reach.
func (m Measure) Figure() []float64 {
	if len(m.Theirs) == 0 {
		return m.Ours
	}
	return m.Ratios()
}

// Reached reports whether the median has reached the goal.
func (m Measure) Reached() bool {
	if m.Lower {
		return Median(m.Figure()) <= m.Reach
	}
	return Median(m.Figure()) >= m.Reach
}

// Median returns the median of the values, or 0 if there are none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Part is the measures of one command.
type Part struct {
	Name     string    `json:"name"`
	Machine  string    `json:"machine"`
	Commit   string    `json:"commit"`
	Command  string    `json:"command"`
	Measures []Measure `json:"measures"`
}

// Save writes a part to a directory, and the table and the chart of all parts there.
func Save(directory string, part Part) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("save results: %w", err)
	}
	text, err := json.MarshalIndent(part, "", "  ")
	if err != nil {
		return fmt.Errorf("save results: %w", err)
	}
	if err := write(directory, part.Name+".json", string(text)+"\n"); err != nil {
		return err
	}
	parts, err := load(directory)
	if err != nil {
		return err
	}
	if err := write(directory, "table.md", Table(parts...)); err != nil {
		return err
	}
	return drawChart(filepath.Join(directory, "chart.png"), parts)
}

func write(directory, name, text string) error {
	if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644); err != nil {
		return fmt.Errorf("save results: %w", err)
	}
	return nil
}

func load(directory string) ([]Part, error) {
	files, err := filepath.Glob(filepath.Join(directory, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	parts := make([]Part, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read results: %w", err)
		}
		var part Part
		if err := json.Unmarshal(text, &part); err != nil {
			return nil, fmt.Errorf("read results: %s: %w", file, err)
		}
		parts = append(parts, part)
	}
	slices.SortFunc(parts, func(a, b Part) int { return cmp.Compare(a.Name, b.Name) })
	return parts, nil
}

// Table returns the measures as a Markdown table.
func Table(parts ...Part) string {
	var b strings.Builder
	b.WriteString("| measure | ours | against | theirs | ratio (spread) | reach | |\n|---|---|---|---|---|---|---|\n")
	for _, part := range parts {
		for _, m := range part.Measures {
			b.WriteString(row(m))
		}
	}
	return b.String()
}

func row(m Measure) string {
	theirs, ratio := "", ""
	if len(m.Theirs) > 0 {
		theirs = number(Median(m.Theirs)) + " " + m.Unit
		ratio = spread(m.Ratios())
	}
	ours := number(Median(m.Ours)) + " " + m.Unit
	if len(m.Theirs) == 0 && len(m.Ours) > 1 {
		ours = spread(m.Ours) + " " + m.Unit
	}
	reach, reached := "", ""
	if m.Reach > 0 {
		sign := "≥ "
		if m.Lower {
			sign = "≤ "
		}
		reach, reached = sign+number(m.Reach), "no"
		if m.Reached() {
			reached = "yes"
		}
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |\n", m.Name, ours, m.Against, theirs, ratio, reach, reached)
}

// spread returns the median with the least and the greatest value.
func spread(values []float64) string {
	return fmt.Sprintf("**%s** (%s to %s)", number(Median(values)), number(slices.Min(values)), number(slices.Max(values)))
}

// number returns three significant digits.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
