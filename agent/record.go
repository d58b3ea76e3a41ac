package agent

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/bailiwick-dev/bailiwick/order"
)

// The two forms of a record:
//
//	plain:         1 || CBOR || SHA-256 of all before
//	authenticated: 2 || generation, 8 bytes big-endian || CBOR || HMAC-SHA-256(StateKey, recordLabel || all before)
//
// The generation is one more with every save, also after one that failed: no two records ever have the same.
const (
	plainRecord         = 1
	authenticatedRecord = 2
	recordLabel         = "bailiwick/agent/record/2\x00"
)

// seal writes a record of either form.
func seal(version byte, key []byte, generation uint64, body []byte) []byte {
	record := append(make([]byte, 0, 1+8+len(body)+sha256.Size), version)
	if version == authenticatedRecord {
		record = binary.BigEndian.AppendUint64(record, generation)
	}
	record = append(record, body...)
	return append(record, trailer(version, key, record)...)
}

func trailer(version byte, key, record []byte) []byte {
	if version == plainRecord {
		sum := sha256.Sum256(record)
		return sum[:]
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(recordLabel))
	mac.Write(record)
	return mac.Sum(nil)
}

// unseal reads a record's frame. A nil key reads plain records, another one authenticated records, and neither the other's.
func unseal(record, key []byte) (body []byte, generation uint64, err error) {
	n := len(record) - sha256.Size
	if n < 2 || len(record) > maxState {
		return nil, 0, fmt.Errorf("agent: %w: it has %d bytes", ErrDamaged, len(record))
	}
	version := record[0]
	switch {
	case version != plainRecord && version != authenticatedRecord:
		if sum := sha256.Sum256(record[:n]); string(sum[:]) != string(record[n:]) {
			return nil, 0, fmt.Errorf("agent: %w: the checksum does not fit", ErrDamaged)
		}
		return nil, 0, fmt.Errorf("agent: the record has version %d, this agent reads 1 and 2; install an agent that knows it", version)
	case version == plainRecord && key != nil:
		return nil, 0, fmt.Errorf("agent: %w: nobody authenticated it; set Platform.AdoptPlain if this firmware is the first with a StateKey", ErrDamaged)
	case version == authenticatedRecord && key == nil:
		return nil, 0, fmt.Errorf("agent: %w: it is authenticated, and the platform gives no StateKey to check it with", ErrDamaged)
	case !hmac.Equal(trailer(version, key, record[:n]), record[n:]):
		return nil, 0, fmt.Errorf("agent: %w: the checksum does not fit", ErrDamaged)
	case version == plainRecord:
		return record[1:n], 0, nil
	case n < 1+8+1:
		return nil, 0, fmt.Errorf("agent: %w: it has %d bytes", ErrDamaged, len(record))
	}
	return record[9:n], binary.BigEndian.Uint64(record[1:9]), nil
}

func checkedSize(record []byte) ([]byte, error) {
	if len(record) > maxState {
		return nil, fmt.Errorf("agent: the record would have %d bytes; at most %d are allowed", len(record), maxState)
	}
	return record, nil
}

// load reads the record into the agent, and finds out whether it is the last one.
func (a *Agent) load() error {
	var counted uint64
	if c := a.platform.Counter; c != nil {
		var err error
		if counted, err = c.Read(); err != nil {
			return fmt.Errorf("agent: read the counter: %w", err)
		}
	}
	record, err := a.platform.Storage.Load()
	if errors.Is(err, os.ErrNotExist) {
		a.recover(0, counted)
		return nil
	}
	if err != nil {
		return fmt.Errorf("agent: load the record: %w", err)
	}
	body, generation, err := a.unseal(record, counted)
	if err != nil {
		return err
	}
	if a.state, err = parseBody(body); err != nil {
		return err
	}
	a.reopened, a.savedOn = true, a.state.Clock.Elapsed
	a.recover(generation, counted)
	return nil
}

func (a *Agent) unseal(record []byte, counted uint64) (body []byte, generation uint64, err error) {
	key := a.platform.StateKey
	if len(key) == 0 {
		return unseal(record, nil)
	}
	if a.platform.AdoptPlain && counted == 0 && len(record) > 0 && record[0] == plainRecord {
		return unseal(record, nil)
	}
	return unseal(record, key)
}

// recover compares the record's generation with the counter. A record is saved before the counter follows, so that a crash
// between the two leaves the counter behind, never the record: a record that is older than the counter says was rolled back.
func (a *Agent) recover(generation, counted uint64) {
	a.generation = max(generation, counted)
	switch {
	case counted > generation:
		a.state.restore(counted - generation)
		a.unsaved = true
	case generation > counted && a.platform.Counter != nil:
		a.behind = a.platform.Counter.Advance(generation)
	}
}

// save makes next durable, as the next generation, and then has the counter follow. That the counter cannot follow is no
// failure of the save: it weakens the protection and is tried again with each save (see CounterFault).
func (a *Agent) save(next *state) error {
	body, err := marshalBody(next)
	if err != nil {
		return err
	}
	version, key := byte(plainRecord), a.platform.StateKey
	if len(key) > 0 {
		if a.generation == math.MaxUint64 {
			return errors.New("agent: the record's generations are used up")
		}
		version = authenticatedRecord
		a.generation++ // also when the save fails: it may have happened all the same
	}
	record, err := checkedSize(seal(version, key, a.generation, body))
	if err != nil {
		return err
	}
	if err := a.platform.Storage.Save(record); err != nil {
		return err
	}
	if a.platform.Counter != nil {
		a.behind = a.platform.Counter.Advance(a.generation)
	}
	return nil
}

// CounterFault returns why the platform's counter does not follow the record, nil when it does or when there is none. The agent
// works on; until the counter follows, a copy of the record from this time could be put back without its notice.
func (a *Agent) CounterFault() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.behind == nil {
		return nil
	}
	return fmt.Errorf("agent: advance the counter to %d: %w", a.generation, a.behind)
}

// restore makes a state out of one that was followed by lost newer ones: lost is how many, at most. Doubt favours the owner
// (Charter C10). Each lost record may have lifted a ground for good, or told a later deadline, so that no restriction
// outlives it and nothing escalates before the next contact; what was issued up to that contact is void then. Each may have
// used one sequence. A final lift that the state knows stays.
func (s *state) restore(lost uint64) {
	s.Sequence += min(lost, math.MaxUint64/2-min(s.Sequence, math.MaxUint64/2))
	s.Clock.Doubt, s.Restored = true, true
	s.Unsure = s.Unsure || s.Activation == nil
	for i := range s.Restrictions {
		if r := &s.Restrictions[i]; r.Stage != order.Lifted {
			r.lift(order.ByRule, order.ID{}, s.Clock) // the server follows, and may begin anew with a notice
		}
	}
}

// settle ends what restore left open, at a contact: void up to what the server tells now, and up to what the device took the
// time for before it asked.
func (s *state) settle(told, before time.Time) {
	if !s.Restored {
		return
	}
	s.Restored = false
	if before.After(told) {
		told = before
	}
	for i := range s.Restrictions {
		s.Restrictions[i].void(told, math.MaxUint64)
	}
	if told.After(s.VoidUnknown) {
		s.VoidUnknown = told
	}
}
