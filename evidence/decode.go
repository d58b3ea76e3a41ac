package evidence

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/dcbor"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// decoder reads a claims set. It is written out by hand because every check-in passes through it: it reads in a tenth
// of the time that reflection takes. FuzzParse holds it to what toWire writes, byte for byte.
type decoder struct {
	dcbor.Reader

	have    uint32 // bit set of the mandatory claims that were read
	profile []byte
	oemBoot bool
	debug   bool
}

// The mandatory claims.
const (
	haveIssuedAt = 1 << iota
	haveEpoch
	haveUEID
	haveProfile
	haveComponent
	haveVersion
	haveSequence
	haveBoot
	havePolicyHash
	haveAll = 1<<iota - 1
)

// decode reads and validates payload into c. Optional claims that are present and empty are refused, so that each
// claims set has one encoding.
func decode(payload []byte, c *Claims) error {
	if err := dcbor.Check(payload); err != nil {
		return prefer(payload, fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	d := decoder{Reader: dcbor.NewReader(payload)}
	var err error
	for range d.Map(64) {
		if d.IsText() {
			err = fmt.Errorf("%w: claim %q", ErrClaim, d.Text(len(payload)))
			break
		}
		if err = d.claim(d.Int(), c); err != nil {
			break
		}
	}
	d.End()
	switch {
	case err != nil:
		return prefer(payload, err)
	case d.Err() != nil:
		return prefer(payload, fmt.Errorf("%w: %w", ErrMalformed, d.Err()))
	case string(d.profile) != Profile:
		return errProfile()
	case d.have != haveAll:
		return fmt.Errorf("%w: a mandatory claim is missing", ErrMalformed)
	case d.oemBoot != (c.Boot == BootVerified) || d.debug != (c.Boot == BootUnlocked):
		return invalid("oemboot or dbgstat contradicts the boot state")
	}
	return c.Validate()
}

// claim reads the value of one claim. Its own errors are those that have another name than ErrMalformed.
func (d *decoder) claim(label int64, c *Claims) error {
	switch label {
	case labelIssuedAt:
		d.have |= haveIssuedAt
		c.IssuedAt = time.Unix(d.Int(), 0).UTC()
	case labelEpoch:
		d.have |= haveEpoch
		c.Epoch = bytes.Clone(d.Bytes(MaxToken))
	case labelUEID:
		d.have |= haveUEID
		var ueid [1 + len(c.Device)]byte
		if d.Fixed(ueid[:]); ueid[0] != ueidRandom {
			d.Reject("a UEID has the type byte 0x01 and 16 bytes")
		}
		copy(c.Device[:], ueid[1:])
	case labelOEMBoot:
		d.oemBoot = d.present()
	case labelDebug:
		d.debug = d.Uint(debugEnabled) == debugEnabled
	case labelProfile:
		d.have |= haveProfile
		d.profile = d.Text(MaxToken)
	case labelComponent:
		d.have |= haveComponent
		if string(d.Text(MaxToken)) != Component {
			d.Reject("swname is another one than the profile says")
		}
	case labelVersion:
		d.have |= haveVersion
		d.exactly(1)
		c.Software = string(d.Text(MaxToken))
	case labelSequence:
		d.have |= haveSequence
		c.Sequence = d.Uint(math.MaxUint64)
	case labelBoot:
		d.have |= haveBoot
		c.Boot = Boot(d.Uint(math.MaxUint8))
	case labelPolicyHash:
		d.have |= havePolicyHash
		d.Fixed(c.PolicyHash[:])
	case labelClockDoubt:
		c.ClockDoubt = d.present()
	case labelMetadata:
		d.exactly(2)
		c.Metadata = MetadataVersions{Root: d.Uint(math.MaxUint64), Timestamp: d.Uint(math.MaxUint64)}
		d.notZero(c.Metadata == MetadataVersions{})
	case labelActivation:
		c.Activation = d.activation()
	case labelDays:
		return d.days(c)
	case labelGrounds:
		return d.grounds(c)
	case labelRefusals:
		return d.refusals(c)
	default:
		if d.Err() == nil {
			return fmt.Errorf("%w: claim %d", ErrClaim, label)
		}
	}
	return nil
}

// prefer gives the location claim and another profile their names, whatever else is wrong with the claims set: a
// real location claim has floating-point numbers, which no claim here has.
func prefer(payload []byte, err error) error {
	pairs := dcbor.Peek(payload)
	if pairs == nil {
		return err
	}
	if _, ok := pairs[labelLocation]; ok {
		return errLocation()
	}
	profile := dcbor.NewReader(pairs[labelProfile])
	if string(profile.Text(MaxToken)) != Profile {
		return errProfile()
	}
	return err
}

func errLocation() error {
	return fmt.Errorf("%w: a device never tells where it is; remove claim %d", ErrLocation, labelLocation)
}

func errProfile() error {
	return fmt.Errorf("%w: eat_profile (claim %d) must be %s", ErrProfile, labelProfile, Profile)
}

// present reads a boolean that is written only when true.
func (d *decoder) present() bool {
	if !d.Bool() {
		d.Reject("a boolean that is false is left out")
		return false
	}
	return true
}

// exactly reads the head of an array of n items.
func (d *decoder) exactly(n int) {
	if d.Array(n) != n {
		d.Reject("too few items")
	}
}

// list reads the head of a list, which is left out when empty.
func (d *decoder) list(most int) (int, error) {
	n := d.Array(math.MaxInt)
	if n > most {
		return 0, invalid("a list of %d, at most %d; send the rest next time", n, most)
	}
	if n == 0 {
		d.Reject("a list that is empty is left out")
	}
	return n, nil
}

func (d *decoder) day() territory.Day { return territory.Day(d.Uint(math.MaxInt32)) }

func (d *decoder) small() uint8 { return uint8(d.Uint(math.MaxUint8)) }

// code reads a territory. Validate checks its form; here only its length is bounded.
func (d *decoder) code() territory.Code { return territory.Code(d.Text(8)) }

func (d *decoder) activation() *territory.Activation {
	d.exactly(3)
	return &territory.Activation{Territory: d.code(), Day: d.day(), Mixed: d.Bool()}
}

func (d *decoder) days(c *Claims) error {
	n, err := d.list(MaxDays)
	if err != nil || n == 0 {
		return err
	}
	c.Days = make([]territory.DayRecord, n)
	for i := range c.Days {
		d.exactly(5)
		day := &c.Days[i]
		day.Day, day.Territory, day.Percent = d.day(), d.code(), d.small()
		day.Agree, day.Against = territory.Kinds(d.small()), territory.Kinds(d.small())
	}
	return nil
}

func (d *decoder) refusals(c *Claims) error {
	n, err := d.list(MaxRefusals)
	if err != nil || n == 0 {
		return err
	}
	c.Refusals = make([]Refusal, n)
	for i := range c.Refusals {
		d.exactly(2)
		d.Fixed(c.Refusals[i].Order[:])
		c.Refusals[i].Reason = string(d.Text(MaxToken))
	}
	return nil
}

func (d *decoder) grounds(c *Claims) error {
	n, err := d.list(MaxGrounds)
	if err != nil || n == 0 {
		return err
	}
	c.Grounds = make([]GroundState, n)
	for i := range c.Grounds {
		d.ground(&c.Grounds[i])
	}
	return nil
}

// ground reads the state of one ground: kind, id and stage, and what there is of the rest.
func (d *decoder) ground(g *GroundState) {
	mandatory := 0
	for range d.Map(9) {
		switch d.Uint(9) {
		case 1:
			g.Ground.Kind = order.GroundKind(d.small())
			mandatory++
		case 2:
			g.Ground.ID = string(d.Text(MaxToken))
			mandatory++
		case 3:
			g.Stage = order.Stage(d.small())
			mandatory++
		case 4:
			g.Cause = order.Cause(d.small())
			d.notZero(g.Cause == 0)
		case 5:
			d.Fixed(g.Order[:])
			d.notZero(g.Order.IsZero())
		case 6:
			g.ShownDays = d.small()
			d.notZero(g.ShownDays == 0)
		case 7:
			g.FirstSeen = d.day()
			d.notZero(g.FirstSeen == 0)
		case 8:
			g.Deadline = d.time()
		case 9:
			g.EndsAt = d.time()
		default:
			d.Reject("a ground has the keys 1 to 9")
		}
	}
	if mandatory != 3 {
		d.Reject("a ground has a kind, an id and a stage")
	}
}

func (d *decoder) notZero(zero bool) {
	if zero {
		d.Reject("a value that is zero is left out")
	}
}

// time reads a time that is written only when set.
func (d *decoder) time() time.Time {
	s := d.Uint(maxTime)
	d.notZero(s == 0)
	return time.Unix(int64(s), 0).UTC()
}
