package e2e

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oapi-codegen/nullable"

	"stavka.local/api/client/lineprovider"
	"stavka.local/shared/crashpoint"
	"stavka.local/shared/odds"
	"stavka.local/stavka/e2e/system"
)

// crash is the death of a service at a crash point.
type crash struct {
	point string
	// time is the number of the visit to the point at which it dies. It is often not the first,
	// so that there has been work before.
	time int
	// crowd is the number of further bets on one event. With more than a chunk, settling dies
	// between chunks.
	crowd int
}

// crashes has every crash point of the services.
var crashes = []crash{
	{"event.committed", 3, 0},
	{"relay.read", 2, 0},
	{"relay.published", 2, 0},
	{"relay.confirmed", 2, 0},
	{"relay.advanced", 2, 0},

	{"apply.locked", 3, 0},
	{"apply.written", 3, 0},
	{"apply.committed", 3, 0},
	{"poll.applied", 1, 0},

	{"place.decided", 3, 0},
	{"place.committed", 3, 0},

	{"settle.locked", 2, 0},
	{"settle.decided", 2, 0},
	{"settle.written", 2, 0},
	{"settle.committed", 2, 0},
	{"settle.written", 2, 600},
	{"settle.committed", 1, 600},
}

// TestCrashPointsAreInTheTable compares the table with the source.
func TestCrashPointsAreInTheTable(t *testing.T) {
	t.Parallel()
	points := crashPoints(t)
	for point, service := range points {
		if !slices.ContainsFunc(crashes, func(c crash) bool { return c.point == point }) {
			t.Errorf("the crash point %s of %s is not in the table", point, service)
		}
	}
	for _, c := range crashes {
		if points[c.point] == "" {
			t.Errorf("no service has the crash point %s", c.point)
		}
	}
}

// crashPoints returns the crash points of the source, each with its module.
func crashPoints(t *testing.T) map[string]string {
	t.Helper()
	points := make(map[string]string)
	for _, service := range []string{"shared", "betmaker", "lineprovider"} {
		err := filepath.WalkDir(filepath.Join(system.Root(), service), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, point := range pointsIn(t, path, file) {
				points[point] = service
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return points
}

// pointsIn returns the names of crash points in a file: the literals that it passes to
// crashpoint.Hit, and the constants named Crash..., which it may pass instead.
func pointsIn(t *testing.T, path string, file *ast.File) (points []string) {
	t.Helper()
	add := func(e ast.Expr) {
		if literal, ok := e.(*ast.BasicLit); ok {
			point, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			points = append(points, point)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if strings.HasPrefix(name.Name, "Crash") && i < len(n.Values) {
					add(n.Values[i])
				}
			}
		case *ast.CallExpr:
			hit, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || len(n.Args) != 1 || !isName(hit.X, "crashpoint") {
				break
			}
			add(n.Args[0])
			if name, ok := n.Args[0].(*ast.Ident); ok && !strings.HasPrefix(name.Name, "Crash") {
				t.Errorf("%s names a crash point by %s, which this test cannot resolve", path, name.Name)
			}
		}
		return true
	})
	return points
}

func isName(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

// crashPointsHit tells the same story while the process dies at each crash point in turn. The
// story must end as it does without a crash.
func (private servers) crashPointsHit(t *testing.T) {
	dieAtCrashPoints(t, func(t *testing.T) *system.System {
		t.Helper()
		return start(t, system.Options{Servers: private.urls(), Env: quick})
	})
}

// dieAtCrashPoints is crashPointsHit for systems of any shape.
func dieAtCrashPoints(t *testing.T, startSystem func(*testing.T) *system.System) {
	t.Helper()
	modules := crashPoints(t)
	w := newWitness(t, startSystem(t), 2)
	w.tell(0, 0)
	w.check()
	undisturbed := w.ending(0)
	if len(undisturbed) != 6+12 {
		t.Fatalf("the story ends with %q", undisturbed)
	}
	for _, c := range crashes {
		t.Run(fmt.Sprintf("%s, time %d, crowd %d", c.point, c.time, c.crowd), func(t *testing.T) {
			t.Parallel()
			s := startSystem(t)
			w := newWitness(t, s, 2)
			w.tell(0, 0)
			p := s.BetMakers[0]
			if modules[c.point] == "lineprovider" {
				p = s.LineProviders[0]
			}
			p.Stop()
			p.Start(fmt.Sprintf("%s=%s:%d", crashpoint.Variable, c.point, c.time))

			var died atomic.Bool
			stories := 1
			var teller sync.WaitGroup
			teller.Go(func() {
				for ; !died.Load() && !t.Failed(); stories++ {
					w.tell(stories, c.crowd)
				}
			})
			p.AwaitKilled(time.Minute)
			died.Store(true)
			p.Start()
			teller.Wait()
			w.tell(stories, 0)
			w.check()
			for story := range stories + 1 {
				if ending := w.ending(story); !slices.Equal(ending, undisturbed) {
					t.Errorf("story %d ends as %q; without the crash it ends as %q", story, ending, undisturbed)
				}
			}
		})
	}
}

// tell tells a story of six events and twelve bets, which always ends the same, and of another
// event with a crowd of bets.
func (w *witness) tell(story, crowd int) {
	w.t.Helper()
	name := func(what string) string { return fmt.Sprintf("story-%d-%s", story, what) }
	events := make(map[string]int64)
	for _, what := range []string{"win", "lose", "cancelled", "corrected", "late", "open"} {
		events[what] = w.create(name(what), "1.45", time.Now().Add(time.Hour))
	}
	var placing sync.WaitGroup
	for what, event := range events {
		for user, amount := range []string{"10.01", "2"} {
			placing.Go(func() { w.place(user, name(what), event, amount) })
		}
	}
	if crowd > 0 {
		event := w.create(name("crowd"), "1.45", time.Now().Add(time.Hour))
		for placer := range 32 {
			placing.Go(func() {
				for i := placer; i < crowd; i += 32 {
					w.place(i%2, name(fmt.Sprintf("crowd-%d", i)), event, "1")
				}
			})
		}
		events["crowd"] = event
	}
	placing.Wait()
	w.amend(events["lose"], lineprovider.EventPatch{Coefficient: new(odds.MustParse("2.10"))})
	w.amend(events["open"], lineprovider.EventPatch{Suspended: new(true)})
	if crowd > 0 {
		w.finish(events["crowd"], lineprovider.NewState{State: lineprovider.EventStateFinishedWin})
	}
	w.finish(events["win"], lineprovider.NewState{State: lineprovider.EventStateFinishedWin})
	w.finish(events["lose"], lineprovider.NewState{State: lineprovider.EventStateFinishedLose})
	w.finish(events["cancelled"], lineprovider.NewState{State: lineprovider.EventStateCancelled})
	w.finish(events["corrected"], lineprovider.NewState{State: lineprovider.EventStateFinishedLose})
	w.finish(events["late"], lineprovider.NewState{State: lineprovider.EventStateFinishedWin, EffectiveAt: nullable.NewNullableWithValue(w.createdAt(events["late"]))})
	w.finish(events["corrected"], lineprovider.NewState{State: lineprovider.EventStateFinishedWin, Reason: new("the video")})
	w.amend(events["open"], lineprovider.EventPatch{Suspended: new(false)})
}

func (w *witness) createdAt(event int64) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.events[event].CreateDate
}

// ending returns the final state of the events and bets of a story, without the crowd.
func (w *witness) ending(story int) []string {
	w.t.Helper()
	now := w.records.Read()
	belongs := func(e system.Event) (what string, ok bool) {
		what, ok = strings.CutPrefix(e.Name, fmt.Sprintf("story-%d-", story))
		return what, ok && what != "crowd"
	}
	var ending []string
	for _, e := range now.Events {
		if what, ok := belongs(e); ok {
			ending = append(ending, fmt.Sprintf("event %s: %d hundredths, state %d, suspended %t, version %d, result %d, quarantined %t",
				what, e.Coefficient, e.State, e.Suspended, e.Version, e.ResultRevision, e.Quarantined))
		}
	}
	for _, b := range now.Bets {
		if what, ok := belongs(now.Events[b.EventID]); ok {
			payout := "none"
			if b.Payout != nil {
				payout = fmt.Sprint(*b.Payout)
			}
			ending = append(ending, fmt.Sprintf("bet on %s by user %d: stake %d, %d hundredths, status %d, payout %s, void reason %d",
				what, b.UserID, b.Stake, b.Coefficient, b.Status, payout, b.VoidReason))
		}
	}
	slices.Sort(ending)
	return ending
}
