package tufrepo

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

// Types of the PEM blocks (RFC 7468 armour, with headers as RFC 1421 has them).
const (
	pemPublic    = "BAILIWICK PUBLIC KEY"
	pemPlain     = "BAILIWICK KEY"
	pemEncrypted = "BAILIWICK ENCRYPTED KEY"
)

// maxKeyFile is far more than any key file has.
const maxKeyFile = 8 << 10

// Marshal returns the public key file: one PEM block of type BAILIWICK PUBLIC KEY with the headers Name and Key-Id over the key's
// SubjectPublicKeyInfo. It is what an officer hands to the others.
func (p PublicKey) Marshal() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemPublic, Headers: map[string]string{"Name": p.name, "Key-Id": p.ID()}, Bytes: []byte(p.pkix)})
}

// ParsePublicKey reads a public key file. It takes what [PublicKey.Marshal] writes, with any ends of lines; faults are [ErrKey].
func ParsePublicKey(data []byte) (PublicKey, error) {
	block, err := onlyBlock(data, pemPublic)
	if err != nil {
		return PublicKey{}, err
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	p, err := NewPublicKey(block.Headers["Name"], key)
	if err != nil {
		return PublicKey{}, err
	}
	if block.Headers["Key-Id"] != p.ID() {
		return PublicKey{}, fmt.Errorf("%w: the Key-Id is not that of this name and key; ask %s for the file again", ErrKey, p.name)
	}
	if err := exactly(data, p.Marshal()); err != nil {
		return PublicKey{}, err
	}
	return p, nil
}

// MarshalPlain returns the private key file without encryption, one PEM block of type BAILIWICK KEY with the header Name over PKCS #8:
// for a server's online key, and for those who encrypt the disk or the stick instead.
func (k *Key) MarshalPlain() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.signer)
	if err != nil {
		return nil, fmt.Errorf("tufrepo: encoding a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPlain, Headers: map[string]string{"Name": k.public.name}, Bytes: der}), nil
}

// Marshal returns the private key file encrypted with the passphrase (scrypt with N=2^16, then NaCl secretbox): one PEM block of
// type BAILIWICK ENCRYPTED KEY over the JSON of securesystemslib's package encrypted, in which the plain file is.
func (k *Key) Marshal(passphrase []byte) ([]byte, error) {
	if len(passphrase) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrPassphrase)
	}
	plain, err := k.MarshalPlain()
	if err != nil {
		return nil, err
	}
	sealed, err := encrypted.Encrypt(plain, passphrase)
	if err != nil {
		return nil, fmt.Errorf("tufrepo: encrypting a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemEncrypted, Headers: map[string]string{"Name": k.public.name}, Bytes: sealed}), nil
}

// ParseKey reads a private key file, plain or encrypted. The passphrase is asked for only if it is needed. Faults are [ErrKey], or
// [ErrPassphrase] when the passphrase does not open it.
func ParseKey(data []byte, passphrase func() ([]byte, error)) (*Key, error) {
	block, err := onlyBlock(data, pemPlain, pemEncrypted)
	if err != nil {
		return nil, err
	}
	if block.Type == pemPlain {
		return parsePlain(data, block)
	}
	if err := exactly(data, pem.EncodeToMemory(&pem.Block{Type: pemEncrypted, Headers: map[string]string{"Name": block.Headers["Name"]}, Bytes: block.Bytes})); err != nil {
		return nil, err
	}
	if passphrase == nil {
		return nil, fmt.Errorf("%w: the key is encrypted and needs one", ErrPassphrase)
	}
	phrase, err := passphrase()
	if err != nil {
		return nil, err
	}
	plain, err := encrypted.Decrypt(block.Bytes, phrase)
	if err != nil {
		return nil, fmt.Errorf("%w: it does not open this key (%w)", ErrPassphrase, err)
	}
	inner, err := onlyBlock(plain, pemPlain)
	if err != nil {
		return nil, err
	}
	k, err := parsePlain(plain, inner)
	if err == nil && k.public.name != block.Headers["Name"] {
		return nil, fmt.Errorf("%w: the file says that it is the key of %q, but it is that of %q", ErrKey, block.Headers["Name"], k.public.name)
	}
	return k, err
}

func parsePlain(data []byte, block *pem.Block) (*Key, error) {
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: %T cannot sign", ErrKey, private)
	}
	k, err := keyOf(block.Headers["Name"], signer)
	if err != nil {
		return nil, err
	}
	written, err := k.MarshalPlain()
	if err != nil {
		return nil, err
	}
	if err := exactly(data, written); err != nil {
		return nil, err
	}
	return k, nil
}

// onlyBlock reads a file that is one PEM block of one of these types.
func onlyBlock(data []byte, types ...string) (*pem.Block, error) {
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("%w: a key file has at most %d bytes, this one %d", ErrKey, maxKeyFile, len(data))
	}
	block, rest := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%w: this is no key file: it has no line -----BEGIN %s-----", ErrKey, types[0])
	}
	for _, t := range types {
		if block.Type == t && len(bytes.TrimSpace(rest)) == 0 {
			return block, nil
		}
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%w: something follows the key", ErrKey)
	}
	return nil, fmt.Errorf("%w: this is a %s, wanted is a %s", ErrKey, block.Type, types[0])
}

// exactly holds a file to its one encoding, but for the ends of lines, which mail may change.
func exactly(data, written []byte) error {
	if !bytes.Equal(bytes.TrimSpace(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))), bytes.TrimSpace(written)) {
		return fmt.Errorf("%w: it is not written as Bailiwick writes key files", ErrKey)
	}
	return nil
}

// WriteKey writes a private key file, which [Key.Marshal] or [Key.MarshalPlain] made, durably and readable by its owner alone.
// It never replaces a file: a key that is overwritten is lost.
func WriteKey(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("tufrepo: %s is there already, and a key is never overwritten: choose another name: %w", path, err)
	} else if err != nil {
		return fmt.Errorf("tufrepo: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		_ = os.Remove(path) // half a key is none
		return fmt.Errorf("tufrepo: %w", err)
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("tufrepo: %w", err)
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// ReadKey reads a private key file as [ParseKey] does. It refuses a file that others may read.
func ReadKey(path string, passphrase func() ([]byte, error)) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("tufrepo: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, fmt.Errorf("tufrepo: %w", err)
	} else if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: others may read %s; run chmod 600 on it", ErrKey, path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("tufrepo: %w", err)
	}
	k, err := ParseKey(data, passphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}
