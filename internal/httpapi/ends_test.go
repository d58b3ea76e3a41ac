package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

func TestCheckInsOfASecondEndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ends{after: 3 * time.Second}
		first := e.context(time.Now())
		time.Sleep(endsEach - time.Nanosecond)
		if e.context(time.Now()) != first {
			t.Error("each has a context of its own")
		}
		time.Sleep(time.Nanosecond)
		second := e.context(time.Now())
		if second == first {
			t.Fatal("one that came a second later ends too early")
		}
		time.Sleep(3*time.Second - time.Nanosecond)
		synctest.Wait()
		if first.Err() != nil {
			t.Error("the last of the first second ended before its time")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if first.Err() == nil || second.Err() != nil {
			t.Errorf("%v, %v", first.Err(), second.Err())
		}
		time.Sleep(endsEach)
		synctest.Wait()
		if second.Err() == nil {
			t.Error("it does not end")
		}
	})
}

// stuck is an authority whose store does not answer.
type stuck struct{ *fake }

func (s stuck) Contact(token []byte) (authority.Contact, error) {
	c, err := s.fake.Contact(token)
	return stuckContact{c}, err
}

type stuckContact struct{ authority.Contact }

func (stuckContact) CheckIn(ctx context.Context, _ netip.Addr) (*protocol.CheckInAnswer, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestACheckInThatTakesTooLongEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(c *Config) { c.Authority, c.Timeout = stuck{new(fake)}, 7*time.Second })
		began := time.Now()
		r := s.ask("POST", protocol.PathCheckIn, "token", isToken)
		took := time.Since(began)
		if r.Code != http.StatusServiceUnavailable || took < 7*time.Second || took > 7*time.Second+endsEach {
			t.Errorf("%d after %v: %s", r.Code, took, r.Body)
		}
	})
}
