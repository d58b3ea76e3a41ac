package daemon

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent/lines"
	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/evidence"
	"github.com/bailiwick-dev/bailiwick/tuf"
)

const maxFile = 64 << 10 // bytes of a configuration, a key or a chain

// Config is the configuration file: one JSON object without unknown or repeated members.
type Config struct {
	Server  string `json:"server"`  // the authority, such as https://authority.example; required
	Storage string `json:"storage"` // folder of the agent's record, made if need be; required

	IMEI   string `json:"imei"` // 15 digits; required
	Serial string `json:"serial"`
	Model  string `json:"model"`

	// Key is a PEM file with the attestation key (PKCS#8, ECDSA P-256 or Ed25519); not needed when Hardware brings one.
	Key string `json:"key"`
	// Chain is a PEM file with the key's certificates, the device's first; required.
	Chain string `json:"chain"`

	// BootState is what the boot chain is: "verified", "custom", "unlocked" or "unknown" for a device on which it never
	// changes, or "android" to read androidboot.verifiedbootstate from the kernel. "unknown" when absent: nothing is enforced.
	BootState string `json:"boot_state"`

	// StateKey is a file with 32 to 64 bytes in hexadecimal digits that authenticate the record. AdoptPlain takes a record
	// over that was written before there was such a key.
	StateKey   string `json:"state_key"`
	AdoptPlain bool   `json:"adopt_plain"`

	// OfficersRoot is a file with the root metadata of the maker's officers (TUF, JSON), as /metadata/1.root.json of the server gives it: the device then
	// enrols only where policies are signed by them. Without it the first root that the server tells is believed.
	OfficersRoot string `json:"officers_root"`

	Socket string `json:"socket"`       // path of the Unix socket; none when absent
	Roots  string `json:"roots"`        // PEM file with the only roots that the server's certificate may lead to
	DNS    string `json:"dns"`          // host:port of a resolver, where the system has no /etc/resolv.conf, as on Android
	Tick   int    `json:"tick_seconds"` // 1 to 900; 60 when absent
}

// ReadConfig reads and checks a configuration file. The files that it names are read by Run.
func ReadConfig(path string) (Config, error) {
	data, err := readFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("the configuration: %w", err)
	}
	cfg, err := ParseConfig(data)
	if err != nil {
		return Config{}, fmt.Errorf("the configuration %s: %w", path, err)
	}
	return cfg, nil
}

// ParseConfig reads the contents of a configuration file.
func ParseConfig(data []byte) (Config, error) {
	var cfg Config
	if len(data) > maxFile {
		return Config{}, fmt.Errorf("it has more than %d bytes", maxFile)
	}
	if err := lines.Strict(data, &cfg); err != nil {
		return Config{}, err
	}
	return cfg, cfg.check()
}

func (c *Config) check() error {
	for _, required := range []struct{ name, value string }{
		{"server", c.Server}, {"storage", c.Storage}, {"imei", c.IMEI}, {"chain", c.Chain},
	} {
		if required.value == "" {
			return fmt.Errorf("%q is missing", required.name)
		}
	}
	if u, err := url.Parse(c.Server); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("server: %q is no address; write it as https://authority.example", c.Server)
	}
	imei, err := device.ParseIMEI(c.IMEI)
	if err != nil {
		return fmt.Errorf("imei: %w", err)
	}
	c.IMEI = string(imei)
	if _, err := bootStates(c.BootState); err != nil {
		return err
	}
	if c.Tick == 0 {
		c.Tick = 60
	}
	if c.Tick < 1 || c.Tick > 900 {
		return errors.New("tick_seconds: write 1 to 900; the agent needs a tick every quarter of an hour")
	}
	return nil
}

func (c *Config) tick() time.Duration { return time.Duration(c.Tick) * time.Second }

// bootStates returns what tells the boot state: a fixed one, or the kernel's command line on every question.
func bootStates(name string) (func() evidence.Boot, error) {
	fixed := map[string]evidence.Boot{
		"": evidence.BootUnknown, "unknown": evidence.BootUnknown, "verified": evidence.BootVerified,
		"custom": evidence.BootCustom, "unlocked": evidence.BootUnlocked,
	}
	if name == "android" {
		return func() evidence.Boot { return androidBoot("/proc/bootconfig", "/proc/cmdline") }, nil
	}
	state, known := fixed[name]
	if !known {
		return nil, fmt.Errorf("boot_state: %q is none of verified, custom, unlocked, unknown and android", name)
	}
	return func() evidence.Boot { return state }, nil
}

// androidBoot reads Android's verified boot state from the kernel: green is the maker's system, yellow one with the owner's
// key, orange an unlocked bootloader; anything else is unknown.
func androidBoot(files ...string) evidence.Boot {
	for _, name := range files {
		data, err := readFile(name)
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(strings.ReplaceAll(string(data), " = ", "=")) {
			value, found := strings.CutPrefix(field, "androidboot.verifiedbootstate=")
			if !found {
				continue
			}
			switch strings.Trim(value, `"`) {
			case "green":
				return evidence.BootVerified
			case "yellow":
				return evidence.BootCustom
			case "orange":
				return evidence.BootUnlocked
			}
			return evidence.BootUnknown
		}
	}
	return evidence.BootUnknown
}

// readKey reads a PKCS#8 private key.
func readKey(path string) (crypto.Signer, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("key: %s has no PEM block PRIVATE KEY; convert it with: openssl pkcs8 -topk8 -nocrypt", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("key: %s: %w", path, err)
	}
	switch key := parsed.(type) {
	case *ecdsa.PrivateKey:
		if key.Curve == elliptic.P256() {
			return key, nil
		}
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, fmt.Errorf("key: %s is neither ECDSA on P-256 nor Ed25519", path)
}

// readChain reads the key's certificates, and checks that the first is the key's.
func readChain(path string, key crypto.Signer) ([][]byte, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("chain: %w", err)
	}
	var chain [][]byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("chain: %s has a PEM block %s; only certificates belong there", path, block.Type)
		}
		chain = append(chain, block.Bytes)
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("chain: %s has no PEM block CERTIFICATE", path)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("chain: %s: the first certificate: %w", path, err)
	}
	public, comparable := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !comparable || !public.Equal(key.Public()) {
		return nil, fmt.Errorf("chain: the first certificate in %s is not the key's; put the device's own first", path)
	}
	return chain, nil
}

func readStateKey(path string) ([]byte, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("state_key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(data)))
	if err != nil || len(key) < 32 || len(key) > 64 {
		return nil, fmt.Errorf("state_key: %s has not 32 to 64 bytes in hexadecimal digits; make one with: openssl rand -hex 32", path)
	}
	return key, nil
}

// readOfficersRoot reads the root that enrolment must lead on from.
func readOfficersRoot(path string) ([]byte, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("officers_root: %w", err)
	}
	if _, err := tuf.Open(data); err != nil {
		return nil, fmt.Errorf("officers_root: %s is no root that two officers signed; take the server's /metadata/1.root.json, and compare it with what the officers hold: %w", path, err)
	}
	return data, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return data, err
}
