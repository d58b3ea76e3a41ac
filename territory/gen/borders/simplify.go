package main

import "math"

// simplify thins an arc to a tolerance in metres (Douglas and Peucker). The ends stay, so that arcs still meet.
func simplify(ps []pt, tolerance float64) []pt {
	if len(ps) < 3 {
		return ps
	}
	keep := make([]bool, len(ps))
	keep[0], keep[len(ps)-1] = true, true
	if ps[0] == ps[len(ps)-1] {
		// A loop has no chord: part it at its farthest point, and keep one more so that it encloses something.
		far, _ := farthest(ps, 0, len(ps)-1)
		keep[far] = true
		thin(ps, keep, 0, far, tolerance)
		thin(ps, keep, far, len(ps)-1, tolerance)
		if count(keep) < 4 {
			a, da := farthest(ps, 0, far)
			b, db := farthest(ps, far, len(ps)-1)
			if db > da {
				a = b
			}
			keep[a] = true
		}
	} else {
		thin(ps, keep, 0, len(ps)-1, tolerance)
	}
	var out []pt
	for i, k := range keep {
		if k {
			out = append(out, ps[i])
		}
	}
	return out
}

func count(keep []bool) (n int) {
	for _, k := range keep {
		if k {
			n++
		}
	}
	return n
}

func thin(ps []pt, keep []bool, i, j int, tolerance float64) {
	for j-i > 1 {
		k, d := farthest(ps, i, j)
		if d <= tolerance {
			return
		}
		keep[k] = true
		thin(ps, keep, i, k, tolerance)
		i = k
	}
}

// farthest returns the point between i and j that is farthest from their chord, and its distance in metres.
func farthest(ps []pt, i, j int) (int, float64) {
	best, far := min(i+1, j), -1.0
	for k := i + 1; k < j; k++ {
		if d := offChord(ps[k], ps[i], ps[j]); d > far {
			best, far = k, d
		}
	}
	return best, far
}

const metresPerDegree = 111195.0

// offChord is the distance in metres of p from the segment a to b.
func offChord(p, a, b pt) float64 {
	cos := math.Cos(p.lat() * math.Pi / 180)
	ux, uy := (p.lon()-a.lon())*cos, p.lat()-a.lat()
	vx, vy := (b.lon()-a.lon())*cos, b.lat()-a.lat()
	t := 0.0
	if l := vx*vx + vy*vy; l > 0 {
		t = min(max((ux*vx+uy*vy)/l, 0), 1)
	}
	return math.Hypot(ux-t*vx, uy-t*vy) * metresPerDegree
}
