package load

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/protocol"
)

const model, software = "Lantern P", "bailiwick-agent/1.0"

// Enrol has the sandbox's factory make n devices, each with a key of its own, and enrols them. It learns what all devices are told. At most
// workers are busy at once; done, which may be nil, is told of each.
func Enrol(ctx context.Context, t Target, n int, seed uint64, workers int, done func()) ([]*Device, *Facts, error) {
	f, err := Meet(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	devices := make([]*Device, n)
	var once sync.Once
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i := range devices {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			d, a, err := enrol(ctx, t, f)
			if err != nil {
				return fmt.Errorf("device %d of %d: %w", i+1, n, err)
			}
			d.Person = person(seed, i, f)
			devices[i] = d
			once.Do(func() { f.PolicyHash, f.Observation = a.Policy.Hash, a.Policy.Observation })
			if done != nil {
				done()
			}
			return nil
		})
	}
	return devices, f, g.Wait()
}

// Meet learns a sandbox's time, epoch and metadata. The facts lack the policy until somebody enrols.
func Meet(ctx context.Context, t Target) (*Facts, error) {
	var clock app.ClockReading
	status, body, err := t.Do(ctx, http.MethodGet, app.PathSandboxClock, "", nil)
	if err != nil {
		return nil, fmt.Errorf("the server cannot be reached: %w\n  Is it running? Start one with: bailiwick serve --sandbox", err)
	}
	if status == http.StatusNotFound {
		return nil, errors.New("the server is no sandbox: it makes no virtual phones\n  Start one that does with: bailiwick serve --sandbox")
	}
	if status != http.StatusOK || json.Unmarshal(body, &clock) != nil {
		return nil, fmt.Errorf("the server does not tell its time as a sandbox does: status %d", status)
	}
	ahead := time.Until(clock.Now)
	f := &Facts{Now: func() time.Time { return time.Now().Add(ahead) }}
	if status, body, err = t.Do(ctx, http.MethodGet, protocol.PathEpoch, "", nil); err != nil {
		return nil, err
	} else if status != http.StatusOK {
		return nil, fmt.Errorf("the server gives no epoch: %s", kindOf(status, body))
	}
	epoch, err := protocol.ParseEpochAnswer(body)
	if err != nil {
		return nil, err
	}
	f.Epoch = epoch.Epoch
	f.Metadata, err = metadata(ctx, t)
	return f, err
}

// metadata are the versions that a device has which is up to date: a sandbox founds its officers once, and their root stays the first.
func metadata(ctx context.Context, t Target) (evidence.MetadataVersions, error) {
	var timestamp struct {
		Signed struct {
			Version uint64 `json:"version"`
		} `json:"signed"`
	}
	status, body, err := t.Do(ctx, http.MethodGet, "/metadata/timestamp.json", "", nil)
	if err == nil && (status != http.StatusOK || json.Unmarshal(body, &timestamp) != nil) {
		err = fmt.Errorf("the server's metadata cannot be read: status %d", status)
	}
	return evidence.MetadataVersions{Root: 1, Timestamp: timestamp.Signed.Version}, err
}

// enrol makes one device with a key of its own.
func enrol(ctx context.Context, t Target, f *Facts) (*Device, *protocol.EnrolAnswer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	made, chain, err := manufacture(ctx, t, key)
	if err != nil {
		return nil, nil, err
	}
	token, err := protocol.SignEnrolment(&protocol.Enrolment{Epoch: f.Epoch, IMEI: device.IMEI(made.IMEI), Serial: made.Serial, Model: model, Software: software}, chain, key)
	if err != nil {
		return nil, nil, err
	}
	status, body, err := t.Do(ctx, http.MethodPost, protocol.PathEnrol, protocol.MediaTypeEnrol, token)
	if err != nil {
		return nil, nil, err
	}
	if status != http.StatusOK {
		return nil, nil, fmt.Errorf("the enrolment was refused: %s", kindOf(status, body))
	}
	a, err := protocol.ParseEnrolAnswer(body)
	if err != nil {
		return nil, nil, err
	}
	return &Device{ID: a.Device, Key: key}, a, nil
}

// manufacture has the sandbox's factory make a phone, and returns its certificates.
func manufacture(ctx context.Context, t Target, key *ecdsa.PrivateKey) (made app.PhoneMade, chain [][]byte, err error) {
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return made, nil, err
	}
	wish, err := json.Marshal(app.PhoneOrder{Model: model, Market: "DE", PublicKey: base64.StdEncoding.EncodeToString(public)})
	if err != nil {
		return made, nil, err
	}
	status, body, err := t.Do(ctx, http.MethodPost, app.PathSandboxPhones, "application/json", wish)
	if err != nil {
		return made, nil, err
	}
	if status != http.StatusOK {
		return made, nil, fmt.Errorf("the sandbox makes no phone: %s %s", kindOf(status, body), strings.TrimSpace(string(body[:min(len(body), 200)])))
	}
	if err := json.Unmarshal(body, &made); err != nil {
		return made, nil, err
	}
	for _, text := range made.Chain {
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return made, nil, err
		}
		chain = append(chain, der)
	}
	return made, chain, nil
}
