package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestBordersWereBuiltByThisProgram(t *testing.T) {
	got, err := sums(".", filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("borders.sum")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the generator, borders.bin or its samples changed: run go generate ./territory and commit all of them\nnow:\n%swas:\n%s", got, want)
	}
}

func box4(x, y, size float64) ring {
	return ring{at(x, y), at(x+size, y), at(x+size, y+size), at(x, y+size)}
}

func TestNeighboursShareTheirBorder(t *testing.T) {
	var g graph
	g.addRing(box4(0, 0, 1), 1)
	g.addRing(box4(1, 0, 1), 2)
	g.addRing(box4(5, 5, 1), 1) // drawn twice: cancels out
	g.addRing(box4(5, 5, 1), 1)
	cs := chains(g.links())
	shared := 0
	for _, c := range cs {
		if len(c.codes) == 2 {
			shared++
			if len(c.points) != 2 {
				t.Errorf("shared border %v", c.points)
			}
		}
	}
	if len(cs) != 3 || shared != 1 {
		t.Errorf("%d arcs, %d shared: want 3 and 1", len(cs), shared)
	}
}

func TestOpenBordersAreReported(t *testing.T) {
	a := &atlas{codes: []string{"XX"}}
	a.graph.addLine([]pt{at(0, 0), at(1, 0), at(1, 1)}, 1)
	if a.closed(a.graph.links()) == nil {
		t.Error("an open line passed as a border")
	}
	a.graph.addLine([]pt{at(1, 1), at(0, 0)}, 1)
	if err := a.closed(a.graph.links()); err != nil {
		t.Error(err)
	}
}

func TestSimplifyStaysWithinTolerance(t *testing.T) {
	var ps []pt
	for i := range 2000 {
		x := float64(i) / 1000
		ps = append(ps, at(30+x, 50+math.Sin(x*9)/50))
	}
	for _, tolerance := range []float64{5, 50, 500} {
		out := simplify(ps, tolerance)
		if out[0] != ps[0] || out[len(out)-1] != ps[len(ps)-1] {
			t.Error("an end moved: arcs would no longer meet")
		}
		if len(out) > len(ps)/4 {
			t.Errorf("%v m: %d points left", tolerance, len(out))
		}
		for _, p := range ps {
			near := math.Inf(1)
			for i := 1; i < len(out); i++ {
				near = min(near, offChord(p, out[i-1], out[i]))
			}
			if near > tolerance*1.01 {
				t.Fatalf("%v m: a point is %v m off", tolerance, near)
			}
		}
	}
}

func TestSimplifyKeepsIslands(t *testing.T) {
	island := append(box4(10, 10, 0.0001), at(10, 10))
	if out := simplify(island, 500); len(out) < 4 {
		t.Errorf("an island of %d points encloses nothing", len(out))
	}
}

func TestPartitionSharesTheWholeOutlineOut(t *testing.T) {
	outline := ring{at(0, 0), at(1, 0), at(2, 0), at(2, 1), at(2, 2), at(1, 2), at(0, 2), at(0, 1)}
	two := []feature{{code: "UA-1", rings: []ring{box4(0, 0, 1)}}, {code: "UA-2", rings: []ring{box4(1, 0, 1)}}}
	border := inner{[]pt{at(1, 0.2), at(1, 1), at(1, 1.8)}, [2]string{"UA-1", "UA-2"}} // falls short at both ends
	parts, err := partition(outline, two, []inner{border})
	if err != nil {
		t.Fatal(err)
	}
	a, err := rank(parts)
	if err != nil {
		t.Fatal(err)
	}
	links := a.graph.links()
	if err := a.closed(links); err != nil {
		t.Fatal(err)
	}
	truth := newTruth(a, links)
	for _, p := range []struct {
		lat, lon float64
		want     string
	}{{0.1, 0.9, "UA-1"}, {1.9, 0.5, "UA-1"}, {0.1, 1.1, "UA-2"}, {1.9, 1.9, "UA-2"}, {2.1, 1, ""}} {
		if got := truth.at(p.lat, p.lon); got != p.want {
			t.Errorf("%v, %v: %q, want %q", p.lat, p.lon, got, p.want)
		}
	}
}

func TestZonesRefuseAnotherFile(t *testing.T) {
	for _, data := range [][]byte{{0xff}, {0x0a, 0x7f}, {0x0b}, []byte("PK\x03\x04 and so on")} {
		path := filepath.Join(t.TempDir(), "zones")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readZones(path); err == nil {
			t.Errorf("%q was read", data)
		}
	}
}

func TestUnitKeepsTheFrameOffTheMap(t *testing.T) {
	for _, p := range []struct {
		lon, lat float64
		want     [2]int
	}{{-180, -90, [2]int{-1, -1}}, {180, 0, [2]int{worldX + 1, worldY / 2}}, {0, 0, [2]int{worldX / 2, worldY / 2}}, {-179.99999, 0, [2]int{-1, worldY / 2}}} {
		if got := unit(at(p.lon, p.lat)); !slices.Equal(got[:], p.want[:]) {
			t.Errorf("%v, %v: %v, want %v", p.lon, p.lat, got, p.want)
		}
	}
}
