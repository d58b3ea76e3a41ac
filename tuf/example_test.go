package tuf_test

import (
	"crypto/sha256"
	"fmt"

	"github.com/bailiwick-dev/bailiwick/tuf"
	"github.com/bailiwick-dev/bailiwick/tuf/tuftest"
)

// A device takes a policy that two officers signed, and not one that it was handed otherwise.
func Example() {
	officers := tuftest.New(tuftest.Options{Seed: "example", Now: date()})
	policy := []byte("the policy's extract for devices")
	path := tuf.PolicyPath(sha256.Sum256([]byte("the policy file")))
	officers.Add(tuf.Policy, path, policy)
	officers.Publish(date())

	trusted, err := tuf.Open(officers.Root(1)) // from firmware, or believed once
	if err != nil {
		fmt.Println(err)
		return
	}
	next, listing, err := trusted.Apply(officers.Update(1), date())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("policy metadata", next.Versions().Policy, "until", next.Expires(tuf.Policy).Format("2006-01-02"))
	fmt.Println("the policy:", listing.Verify(tuf.Policy, path, policy))
	fmt.Println("another one:", tuf.FaultOf(listing.Verify(tuf.Policy, path, []byte("another one"))))
	// Output:
	// policy metadata 2 until 2027-12-27
	// the policy: <nil>
	// another one: target-differs
}
