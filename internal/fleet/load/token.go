package load

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/fleet/people"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// The mix of check-ins, as package load's comment tells it.
const (
	plainShare    = .98
	movedShare    = .40 // of the rest
	softwareShare = .80 // of the rest, with those that moved
)

// window is within how many neighbours the order of IDs is mixed.
const window = 64

// Tokens is signed evidence in the order in which it is to be sent.
type Tokens struct {
	All  [][]byte
	News int // tokens that say more than one more day
}

// Sign makes n tokens: the devices in turn, in the order of their IDs with neighbours mixed, each with one more day as long as there are
// days to tell. The same seed draws the same mix. done, which may be nil, is told of every thousand.
func Sign(ctx context.Context, devices []*Device, n int, f *Facts, seed uint64, done func(tokens int)) (*Tokens, error) {
	devices = slices.Clone(devices)
	slices.SortFunc(devices, func(a, b *Device) int { return slices.Compare(a.ID[:], b.ID[:]) })
	shuffle := rand.New(rand.NewPCG(seed, 0))
	for part := range slices.Chunk(devices, window) {
		shuffle.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
	}
	t := &Tokens{All: make([][]byte, n)}
	var news, made atomic.Int64
	today := territory.DayOf(f.Now())
	g, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		g.Go(func() error {
			for at := worker; at < len(devices); at += workers {
				for i := at; i < n; i += len(devices) {
					token, changed, err := devices[at].next(f, today, seed, uint64(i))
					if err != nil {
						return err
					}
					t.All[i] = token
					if changed {
						news.Add(1)
					}
					if m := made.Add(1); m%1000 == 0 {
						if err := ctx.Err(); err != nil {
							return err
						}
						if done != nil {
							done(1000)
						}
					}
				}
			}
			return nil
		})
	}
	err := g.Wait()
	t.News = int(news.Load())
	return t, err
}

// next signs the device's next evidence, which is token i of its run.
func (d *Device) next(f *Facts, today territory.Day, seed, i uint64) (token evidence.Token, changed bool, err error) {
	r := rand.New(rand.NewPCG(seed, i+1))
	who := d.Person
	if changed = r.Float64() >= plainShare; changed {
		switch kind := r.Float64(); {
		case kind < movedShare:
			who = people.New(seed+1, r.Uint64(), d.Next) // spends the day where somebody else is
		case kind >= softwareShare && len(d.grounds) > 0:
			d.grounds = slices.Clone(d.grounds)
			d.grounds[0].ShownDays = min(d.grounds[0].ShownDays+1, order.MaxShownDays)
		default:
			d.software++
		}
	}
	var days []territory.DayRecord
	if day, on := who.Day(min(d.Next, today)); on {
		days = append(days, day)
		if d.observing {
			d.observe(day, f.Observation)
		}
	}
	d.Next = min(d.Next+1, today)
	c := d.claims(f, days)
	token, err = evidence.Sign(&c, d.Key)
	return token, changed, err
}
