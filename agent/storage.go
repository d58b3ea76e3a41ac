package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// Storage keeps the agent's one record.
//
// Save is atomic and durable: when it returns nil, Load gives these bytes, whatever happens next. When it fails, or
// the device loses power in it, Load gives either these bytes or the ones before, whole. Load returns an error that is
// os.ErrNotExist when nothing was ever saved. The agent never calls them at the same time.
type Storage interface {
	Load() ([]byte, error)
	Save([]byte) error
}

// ErrDamaged is returned (wrapped) when a record exists but none of its copies is whole.
var ErrDamaged = errors.New("the agent's record is damaged")

// generationMagic begins every file of FileStorage. Then follow, big-endian, the generation (8 bytes) and the length
// (4 bytes), the SHA-256 of both with the record (32 bytes), and the record.
const (
	generationMagic  = "BWAGENT1"
	generationHeader = len(generationMagic) + 8 + 4 + sha256.Size
)

// FileStorage keeps the record in dir, which it makes when it is missing, in two generations: a file that a dying disk
// or a careless restore tore is passed over, and the one before it is read.
func FileStorage(dir string) Storage { return &fileStorage{dir: dir} }

type fileStorage struct{ dir string }

var generationNames = [2]string{"agent.a", "agent.b"}

func (s *fileStorage) Load() ([]byte, error) {
	record, _, err := s.newest()
	return record, err
}

// Save writes over the older of the two generations.
func (s *fileStorage) Save(record []byte) error {
	if len(record) > maxState {
		return fmt.Errorf("agent: a record of %d bytes; at most %d fit", len(record), maxState)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("agent: make the folder for the record: %w", err)
	}
	_, newest, err := s.newest()
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, ErrDamaged) {
		return err
	}
	next := newest + 1
	name, data := generationNames[next%2], frame(next, record)
	if err := s.replace(name, data); err != nil && s.overwrite(name, data) != nil {
		return fmt.Errorf("agent: save the record: %w", err)
	}
	return nil
}

// newest returns the record of the highest whole generation. Generation n lives in the file n%2.
func (s *fileStorage) newest() (record []byte, generation uint64, err error) {
	found := false
	var damage error
	for i, name := range generationNames {
		data, err := readBounded(filepath.Join(s.dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("agent: read the record: %w", err)
		}
		g, r, err := unframe(data)
		if err == nil && g%2 != uint64(i) {
			err = fmt.Errorf("%w: generation %d is not at its place", ErrDamaged, g)
		}
		switch {
		case err != nil:
			damage = fmt.Errorf("agent: %s: %w", name, err)
		case !found || g > generation:
			found, record, generation = true, r, g
		}
	}
	switch {
	case found:
		return record, generation, nil
	case damage != nil:
		return nil, 0, damage
	}
	return nil, 0, fmt.Errorf("agent: no record yet: %w", os.ErrNotExist)
}

// replace writes beside name, then renames: a crash leaves one temporary file at most, and the next Save takes it over.
func (s *fileStorage) replace(name string, data []byte) error {
	path := filepath.Join(s.dir, name)
	temp, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Sync()
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err == nil {
		err = syncDir(s.dir)
	}
	return err
}

// overwrite writes into the room that name has already: on a full disk, where its owner cannot make room either while the
// device is locked, a lift must be kept all the same. The other generation stays whole whatever becomes of this one.
func (s *fileStorage) overwrite(name string, data []byte) error {
	path := filepath.Join(s.dir, name)
	_ = os.Remove(path + ".new") // what replace could not finish takes room, too
	f, err := os.OpenFile(path, os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Truncate(int64(len(data)))
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes a rename durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(generationHeader+maxState+1)))
}

func frame(generation uint64, record []byte) []byte {
	b := make([]byte, 0, generationHeader+len(record))
	b = append(b, generationMagic...)
	b = binary.BigEndian.AppendUint64(b, generation)
	b = binary.BigEndian.AppendUint32(b, uint32(len(record)))
	sum := frameSum(b, record)
	b = append(b, sum[:]...)
	return append(b, record...)
}

func unframe(data []byte) (generation uint64, record []byte, err error) {
	const numbers = len(generationMagic) + 12
	if len(data) < generationHeader || string(data[:len(generationMagic)]) != generationMagic {
		return 0, nil, fmt.Errorf("%w: no header", ErrDamaged)
	}
	generation = binary.BigEndian.Uint64(data[len(generationMagic):])
	length := binary.BigEndian.Uint32(data[len(generationMagic)+8:])
	record = data[generationHeader:]
	if uint64(length) != uint64(len(record)) {
		return 0, nil, fmt.Errorf("%w: %d bytes instead of %d", ErrDamaged, len(record), length)
	}
	sum := frameSum(data[:numbers], record)
	if !bytes.Equal(sum[:], data[numbers:generationHeader]) {
		return 0, nil, fmt.Errorf("%w: the checksum does not fit", ErrDamaged)
	}
	return generation, record, nil
}

func frameSum(numbers, record []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(numbers)
	h.Write(record)
	h.Sum(sum[:0])
	return sum
}

// MemoryStorage keeps the record in memory, for simulated devices. It is safe for use by several goroutines.
func MemoryStorage() Storage { return &memoryStorage{} }

type memoryStorage struct {
	mu     sync.Mutex
	record []byte
}

func (s *memoryStorage) Load() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == nil {
		return nil, fmt.Errorf("agent: no record yet: %w", os.ErrNotExist)
	}
	return bytes.Clone(s.record), nil
}

func (s *memoryStorage) Save(record []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record = append(s.record[:0:0], record...)
	return nil
}
