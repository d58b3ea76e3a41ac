package staged

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/order"
)

// OwnerLift implements ownerpage.Service.
func (a *Authority) OwnerLift(ctx context.Context, imei, reference string) (*order.Sealed, error) {
	view, err := a.OwnerLook(ctx, imei, reference)
	if err != nil {
		return nil, err
	}
	if view.Stage != order.Lifted {
		return nil, authority.ErrNoOrder
	}
	return a.lift(view.Ground)
}

// WaitingLifts implements console.Service.
func (a *Authority) WaitingLifts(_ context.Context, id device.ID) ([]authority.WaitingLift, error) {
	for _, d := range a.fleet {
		if d.Device.ID != id || len(d.Restrictions) == 0 || d.Restrictions[0].Stage != order.Lifted {
			continue
		}
		sealed, err := a.lift(d.Restrictions[0].Ground)
		if err != nil {
			return nil, err
		}
		return []authority.WaitingLift{{Ground: d.Restrictions[0].Ground, Sealed: *sealed}}, a.Fail
	}
	return nil, a.Fail
}

// lift has the size of a real one in a ledger of a million entries; what would be hashes and signatures is only as long.
func (a *Authority) lift(g order.Ground) (*order.Sealed, error) {
	filler := func(what string, i int) []byte {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", what, i))
		return sum[:]
	}
	leaf, err := order.Leaf{Kind: order.Lift, Ground: g, Territory: "CU", Authority: [32]byte(filler("policy", 0)), IssuedAt: Today,
		Cause: order.ByHuman, Commitment: [32]byte(filler("commitment", 0))}.Marshal()
	if err != nil {
		return nil, err
	}
	var proof strings.Builder
	proof.WriteString("c2sp.org/tlog-proof@v1\nindex 900000\n")
	for i := range 20 {
		fmt.Fprintln(&proof, base64.StdEncoding.EncodeToString(filler("path", i)))
	}
	fmt.Fprintf(&proof, "\ntrust.phones.example/ledger\n1000000\n%s\n\n", base64.StdEncoding.EncodeToString(filler("root", 0)))
	signature := append(append(filler("s", 1), filler("s", 2)...), 1, 2, 3, 4)
	fmt.Fprintf(&proof, "— trust.phones.example/ledger %s\n", base64.StdEncoding.EncodeToString(signature))
	fmt.Fprintf(&proof, "— witness.university.example/w1 %s\n", base64.StdEncoding.EncodeToString(append(signature, filler("w", 0)[:8]...)))
	return &order.Sealed{Leaf: leaf, Salt: [32]byte(filler("salt", 0)), Proof: []byte(proof.String())}, nil
}
