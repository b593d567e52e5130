package report

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// drawChart draws one bar for each measure that has a goal: the figure as a multiple of the
// goal. Bars that end right of the line have reached it.
func drawChart(file string, parts []Part) error {
	var (
		names  []string
		values plotter.Values
	)
	for _, part := range parts {
		for _, m := range part.Measures {
			figure := Median(m.Figure())
			if m.Reach == 0 || figure == 0 {
				continue
			}
			reached := figure / m.Reach
			if m.Lower {
				reached = m.Reach / figure
			}
			// The chart is drawn from the bottom up.
			names = append([]string{m.Name}, names...)
			values = append(plotter.Values{min(reached, chartEnd)}, values...)
		}
	}
	if len(values) == 0 {
		return nil
	}
	p := plot.New()
	p.Title.Text = "Results as a multiple of their goals"
	p.X.Min, p.X.Max = 0, chartEnd
	bars, err := plotter.NewBarChart(values, vg.Points(12))
	if err != nil {
		return fmt.Errorf("draw the chart: %w", err)
	}
	bars.Horizontal = true
	bars.Color = color.RGBA{R: 0x2f, G: 0x6f, B: 0xab, A: 0xff}
	bars.LineStyle.Width = 0
	goal, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.5}, {X: 1, Y: float64(len(values)) - 0.5}})
	if err != nil {
		return fmt.Errorf("draw the chart: %w", err)
	}
	goal.Color = color.RGBA{R: 0xc0, G: 0x30, B: 0x30, A: 0xff}
	p.Add(bars, goal)
	p.NominalY(names...)
	if err := p.Save(28*vg.Centimeter, vg.Length(3+len(values))*vg.Centimeter, file); err != nil {
		return fmt.Errorf("draw the chart: %w", err)
	}
	return nil
}

// chartEnd is the length at which bars are cut off.
const chartEnd = 5
