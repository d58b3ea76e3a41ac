// Package cohort is whom a warrant is for: the devices of one consignment, frozen when the warrant is drafted.
//
// The warrant that officers sign names the root of a Merkle tree (RFC 6962) over salted leaves, one for each device in ascending order of
// IMEIs; a device is held only with a proof that it is among them. A device's salt is HMAC-SHA-256 of its IMEI under the
// cohort's secret, so that a proof says nothing of the devices beside it. The list travels with the draft, so that officers see whom they sign
// for, and can compute the root again:
//
//	bailiwick cohort 1
//	<the secret, 64 hexadecimal digits>
//	<IMEIs, 15 digits each, ascending, one on a line>
package cohort

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/bailiwick-dev/bailiwick/device"
)

// MaxDevices bounds a cohort, so that its list fits into a proposal.
const MaxDevices = 2 << 20

// ErrFaulty is wrapped by every refusal of a list.
var ErrFaulty = errors.New("cohort-faulty")

// Cohort is the devices of a warrant. It is not changed once made.
type Cohort struct {
	Secret  [32]byte // of the salts; the authority's and the officers', never a device's
	Devices []uint64 // IMEIs as numbers, ascending, none twice
}

// New returns the cohort of these devices, in whatever sequence they come. It fails with ErrFaulty when there are none, more than
// MaxDevices, or one is there twice.
func New(secret [32]byte, devices []device.IMEI) (*Cohort, error) {
	c := &Cohort{Secret: secret, Devices: make([]uint64, 0, len(devices))}
	for _, imei := range devices {
		n, err := number([]byte(imei))
		if err != nil {
			return nil, err
		}
		c.Devices = append(c.Devices, n)
	}
	slices.Sort(c.Devices)
	return c, c.Validate()
}

// Validate checks the bounds of c, and that its devices ascend.
func (c *Cohort) Validate() error {
	if len(c.Devices) == 0 || len(c.Devices) > MaxDevices {
		return fmt.Errorf("%w: it has 1 to %d devices, not %d", ErrFaulty, MaxDevices, len(c.Devices))
	}
	for i := 1; i < len(c.Devices); i++ {
		if c.Devices[i] <= c.Devices[i-1] {
			return fmt.Errorf("%w: its devices ascend, and none is there twice", ErrFaulty)
		}
	}
	if c.Devices[len(c.Devices)-1] > 999_999_999_999_999 {
		return fmt.Errorf("%w: an IMEI has 15 digits", ErrFaulty)
	}
	return nil
}

func number(imei []byte) (uint64, error) {
	n, err := strconv.ParseUint(string(imei), 10, 64)
	if err != nil || len(imei) != 15 || imei[0] == '+' {
		return 0, fmt.Errorf("%w: %q is no IMEI of 15 digits", ErrFaulty, imei)
	}
	return n, nil
}

// IMEI writes a number of Devices as people do.
func IMEI(n uint64) device.IMEI { return device.IMEI(fmt.Sprintf("%015d", n)) }

// index returns where a device is.
func (c *Cohort) index(imei device.IMEI) (int, bool) {
	n, err := number([]byte(imei))
	if err != nil {
		return 0, false
	}
	return slices.BinarySearch(c.Devices, n)
}

// salt is the device's own, see the package comment.
func (c *Cohort) salt(imei device.IMEI) (salt [32]byte) {
	mac := hmac.New(sha256.New, c.Secret[:])
	mac.Write([]byte(imei))
	mac.Sum(salt[:0])
	return salt
}

const heading = "bailiwick cohort 1\n"

// Marshal returns the list as officers get it.
func (c *Cohort) Marshal() []byte {
	b := make([]byte, 0, len(heading)+65+16*len(c.Devices))
	b = append(b, heading...)
	b = append(hex.AppendEncode(b, c.Secret[:]), '\n')
	for _, n := range c.Devices {
		b = append(fmt.Appendf(b, "%015d", n), '\n')
	}
	return b
}

// Parse reads what Marshal wrote, and nothing else.
func Parse(data []byte) (*Cohort, error) {
	rest, ok := bytes.CutPrefix(data, []byte(heading))
	if !ok {
		return nil, fmt.Errorf("%w: its first line is not %q", ErrFaulty, heading[:len(heading)-1])
	}
	const line, secret = 16, 65
	if len(rest) < secret || (len(rest)-secret)%line != 0 || (len(rest)-secret)/line > MaxDevices {
		return nil, fmt.Errorf("%w: after the first line come a line of 64 digits and at most %d of 15", ErrFaulty, MaxDevices)
	}
	c := &Cohort{Devices: make([]uint64, 0, (len(rest)-secret)/line)}
	if _, err := hex.Decode(c.Secret[:], rest[:64]); err != nil || rest[64] != '\n' {
		return nil, fmt.Errorf("%w: its second line has not 64 hexadecimal digits", ErrFaulty)
	}
	for rest = rest[secret:]; len(rest) > 0; rest = rest[line:] {
		n, err := number(rest[:line-1])
		if err != nil || rest[line-1] != '\n' {
			return nil, fmt.Errorf("%w: %q is no line with an IMEI", ErrFaulty, rest[:line])
		}
		c.Devices = append(c.Devices, n)
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if !bytes.Equal(c.Marshal(), data) {
		return nil, fmt.Errorf("%w: it is not in the one way of writing", ErrFaulty)
	}
	return c, nil
}
