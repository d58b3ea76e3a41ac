package e2e

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

// pocket is the clock of one phone of a siege. Its days pass together with the server's: the day that an answer tells has come to the phone when
// it reads that answer, as it has for phones and servers in the world. Were phones told of a new day beside the answers, there would be a moment,
// and with a kill a long one, in which the server alone is a day on; a phone that begins to trust its server then (decision 10) would rightly
// doubt it as soon as the day came to the phone as well. A day never goes away: a server that tells an earlier one, as one might that lost
// something when it was killed, meets phones that doubt.
type pocket struct {
	*siege
	days atomic.Int64 // that have passed for this phone
}

func (p *pocket) now() time.Time {
	return p.still().Add(max(time.Duration(p.days.Load())*day, time.Duration(p.offset.Load())))
}

const day = 24 * time.Hour

// still is the time as if nobody had let days pass.
func (s *siege) still() time.Time { return storyStart.Add(time.Since(s.zero)) }

// follow lets the days pass that the server's answer tells of.
func (p *pocket) follow(r *http.Request, response *http.Response) error {
	if response.StatusCode != http.StatusOK {
		return nil
	}
	if r.URL.Path != protocol.PathEnrol && r.URL.Path != protocol.PathCheckIn {
		return nil
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return err // a kill in the middle of an answer
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	at, err := toldBy(r.URL.Path, body)
	if err != nil {
		return err
	}
	days := int64(math.Round(float64(at.Sub(p.still())) / float64(day)))
	if most := p.moves.Load(); days > most {
		p.breaks("the server tells of day %d, and only %d were let pass", days, most)
	}
	p.days.Store(max(p.days.Load(), days)) // one check-in at a time
	return nil
}

func toldBy(path string, body []byte) (time.Time, error) {
	if path == protocol.PathEnrol {
		a, err := protocol.ParseEnrolAnswer(body)
		if err != nil {
			return time.Time{}, err
		}
		return a.Time, nil
	}
	a, err := protocol.ParseCheckInAnswer(body)
	if err != nil {
		return time.Time{}, err
	}
	return a.Time, nil
}

// calendar lets days pass. Phones come to know from the answers that they get.
func (s *siege) calendar(ctx context.Context) {
	for api := (&server{base: s.base, http: s.client}); ctx.Err() == nil; pause(ctx, 400*time.Millisecond) {
		asking, cancel := context.WithTimeout(ctx, 3*time.Second)
		var at app.ClockReading
		s.moves.Add(1)
		err := api.call(asking, http.MethodPost, app.PathSandboxClock, "", app.ClockMove{Hours: 24}, &at)
		cancel()
		if err == nil {
			s.days.Add(1)
		}
	}
}
