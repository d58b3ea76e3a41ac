package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/ledger"
	"github.com/bailiwick-dev/bailiwick/ledger/proof"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

type ledgerExplainCommand struct {
	signers
	File   string `arg:"" name:"order-file" help:"File with one order as a device receives it, binary, base64, or the text of its QR code; - reads standard input."`
	Device string `help:"Id of the device, 32 hexadecimal digits, to check that the order is for it." placeholder:"ID"`
	Public string `help:"Also look whether the order is in the ledger that everybody is shown there: address of a server or of its ledger, or a copy of its files." placeholder:"URL|DIR"`
	JSON   bool   `name:"json" help:"Write JSON."`
}

func (ledgerExplainCommand) Help() string {
	return `Says in sentences what the order tells the device, and checks offline that it is in the ledger whose key you give. It ends with 1 when the
order does not hold, or when that cannot be said. With --public it also reads the ledger that everybody is shown, and finds out an order that was
shown to its device alone.

Examples:
  bailiwick ledger explain order.bin --key trust.example.com/ledger+1a2b3c4d+AbCd
  bailiwick ledger explain order.txt --key trust.example.com/ledger+1a2b3c4d+AbCd --device 4b1d02030405060708090a0b0c0d0e0f
  bailiwick ledger explain order.bin --key trust.example.com/ledger+1a2b3c4d+AbCd --public https://trust.example.com`
}

// maxOrderFile is a sealed order in base64, with room for line ends.
const maxOrderFile = 2 * (order.MaxLeaf + order.MaxProof + 1024)

// explained is the outcome as JSON.
type explained struct {
	Holds     bool         `json:"holds"`
	Fault     string       `json:"fault,omitempty"` // why not, a stable name
	Detail    string       `json:"detail,omitempty"`
	ID        order.ID     `json:"id"`
	Kind      order.Kind   `json:"kind"`
	Ground    order.Ground `json:"ground"`
	Territory string       `json:"territory,omitempty"`
	Authority string       `json:"authority"` // SHA-256 of the policy or warrant
	IssuedAt  time.Time    `json:"issued_at"`
	Deadline  *time.Time   `json:"deadline,omitempty"`
	EffectAt  *time.Time   `json:"effect_at,omitempty"`
	EndsAt    *time.Time   `json:"ends_at,omitempty"`
	Cause     string       `json:"cause,omitempty"`
	Index     *uint64      `json:"ledger_index,omitempty"`
	Size      *uint64      `json:"ledger_size,omitempty"`
	Witnesses *int         `json:"witnesses,omitempty"`
	ForDevice *bool        `json:"for_device,omitempty"`
	Public    *bool        `json:"public,omitempty"` // whether it is in the ledger that --public names
}

func (c *ledgerExplainCommand) Run(ctx context.Context, env Environment) error {
	sealed, err := c.read(ctx, env)
	if err != nil {
		return err
	}
	leaf, err := order.ParseLeaf(sealed.Leaf)
	if err != nil {
		return fmt.Errorf("this is no order: %w", err)
	}
	e := explained{
		ID: sealed.ID(), Kind: leaf.Kind, Ground: leaf.Ground, Territory: string(leaf.Territory), Authority: hex.EncodeToString(leaf.Authority[:]),
		IssuedAt: leaf.IssuedAt, Deadline: moment(leaf.Deadline), EffectAt: moment(leaf.EffectAt), EndsAt: moment(leaf.EndsAt), Cause: leaf.Cause.String(),
	}
	holds, err := c.check(sealed, &e)
	if err != nil {
		return err
	}
	if c.Public != "" && e.Size != nil {
		said, err := c.compare(ctx, sealed, &e)
		if err != nil {
			return err
		}
		holds = append(holds, said)
	}
	if c.JSON {
		err = writeJSON(env.Stdout, e)
	} else {
		_, err = fmt.Fprintln(env.Stdout, strings.Join(append(sentences(leaf), holds...), "\n"))
	}
	if err == nil && !e.Holds {
		err = errSaid
	}
	return err
}

func (c *ledgerExplainCommand) read(ctx context.Context, env Environment) (order.Sealed, error) {
	from := interruptible(ctx, env.Stdin)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return order.Sealed{}, err
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, maxOrderFile+1))
	if err != nil {
		return order.Sealed{}, err
	}
	if len(data) > maxOrderFile {
		return order.Sealed{}, errors.New("this is no order: it is far too long")
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte(order.QRPrefix)) {
		sealed, err := order.ParseQRText(string(data))
		if err != nil {
			return order.Sealed{}, fmt.Errorf("this is no whole text of a QR code: %w", err)
		}
		return sealed, nil
	}
	sealed, err := order.ParseSealed(data)
	if err == nil {
		return sealed, nil
	}
	if raw, textErr := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(data)), "")); textErr == nil && len(raw) > 0 {
		sealed, err = order.ParseSealed(raw)
	}
	if err != nil {
		return order.Sealed{}, fmt.Errorf("this is no order: %w", err)
	}
	return sealed, nil
}

// check says whether the order holds, in sentences and in e.
func (c *ledgerExplainCommand) check(sealed order.Sealed, e *explained) (said []string, err error) {
	mine := true
	if c.Device != "" {
		id, err := device.ParseID(c.Device)
		if err != nil {
			return nil, usageError{err}
		}
		_, err = sealed.Open(id)
		mine = err == nil
		e.ForDevice = &mine
		if mine {
			said = append(said, "It is for this device: its salt opens the commitment in the ledger to the device's id.")
		} else {
			e.Fault, e.Detail = string(order.FaultOf(err)), err.Error()
			said = append(said, "It is NOT for this device ("+e.Fault+"), which will refuse it.")
		}
	}
	if c.Key == "" {
		e.Fault, e.Detail = "key-missing", "give the ledger's key with --key"
		return append(said, "Whether it is in the public ledger was NOT CHECKED: give the ledger's key with --key."), nil
	}
	verifier, err := c.verifier(c.Key)
	if err != nil {
		return nil, err
	}
	checked, err := verifier.Verify(sealed.Leaf, sealed.Proof)
	if err != nil {
		e.Fault, e.Detail = string(proof.FaultOf(err)), err.Error()
		return append(said, "It DOES NOT HOLD: "+e.Detail+".", "A device that has this key refuses it."), nil
	}
	e.Holds, e.Index, e.Size, e.Witnesses = mine, &checked.Index, &checked.Size, &checked.Witnesses
	said = append(said, fmt.Sprintf("It is in the public ledger: entry %d of %d, under a checkpoint that the ledger's key signed.", checked.Index, checked.Size))
	if len(c.Witness) > 0 {
		said = append(said, fmt.Sprintf("%d of %d witnesses cosigned that checkpoint.", checked.Witnesses, len(c.Witness)))
	}
	if mine {
		said = append(said, "It holds. The device still checks it against the Charter and its own facts before it obeys.")
	}
	return said, nil
}

// compare says whether the order is in the ledger that everybody is shown.
func (c *ledgerExplainCommand) compare(ctx context.Context, sealed order.Sealed, e *explained) (said string, err error) {
	source, err := ledger.Find(c.Public)
	if err != nil {
		return "", usageError{err}
	}
	verifier, err := c.verifier(c.Key)
	if err != nil {
		return "", err
	}
	err = ledger.Public(ctx, source, verifier, sealed.Leaf, sealed.Proof)
	public := err == nil
	e.Public = &public
	if public {
		return "The ledger that everybody is shown at " + c.Public + " has it, too.", nil
	}
	fault := ledger.FaultOf(err)
	if fault == "" {
		return "", err
	}
	e.Holds, e.Fault, e.Detail = false, fault, plain(err)
	return "The ledger that everybody is shown at " + c.Public + " DOES NOT HAVE IT: " + fault + ": " + e.Detail + ".\n" +
		"Keep this order: it is signed, and shows that its device was told what the public was not.", nil
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

const inWords = "2 January 2006 at 15:04 UTC"

// sentences say what an order tells its device.
func sentences(l order.Leaf) []string {
	ground := fmt.Sprintf("rule %q of the policy, for %s (%s)", l.Ground.ID, territory.Name(l.Territory, "en"), l.Territory)
	paper := "policy"
	if l.Ground.Kind == order.Warrant {
		ground, paper = fmt.Sprintf("warrant %q", l.Ground.ID), "warrant"
	}
	said := []string{fmt.Sprintf("This is a %s, issued on %s, on the ground of %s.", l.Kind, l.IssuedAt.Format(inWords), ground)}
	switch l.Kind {
	case order.Notice:
		said = append(said, fmt.Sprintf("It announces a lock: not before %s, and not before the device has shown the notice on several days.", l.Deadline.Format(inWords)))
	case order.Lock:
		said = append(said, fmt.Sprintf("The notice before it had told the date: %s. The lock takes hold on %s.", l.Deadline.Format(inWords), l.EffectAt.Format(inWords)),
			fmt.Sprintf("It ends on %s at the latest: the device then lifts it by itself, without a network.", l.EndsAt.Format(inWords)))
	case order.Lift:
		said = append(said, "It lifts every earlier order on this ground. Why: "+causeText[l.Cause])
	}
	return append(said, fmt.Sprintf("The %s that it rests on has the SHA-256 %x.", paper, l.Authority))
}

var causeText = map[order.Cause]string{
	order.ByRule: "the rule no longer applies.", order.ByHuman: "a person decided so.", order.ByCase: "the case was concluded.",
	order.ByEnd: "its time had come.", order.ByCode: "an unlock code was used.",
}
