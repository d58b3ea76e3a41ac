package sqlite

import (
	"testing"
	"time"
)

// The log is begun anew in the file that it has: it gets no longer than it was, and is not cut off either.
func TestTheLogIsWrittenOver(t *testing.T) {
	db := opened(t, Options{LogBytes: 1 << 20})
	longest := int64(0)
	for i := range 600 { // 12 MB
		if err := db.Update(t.Context(), event(i, 20_000)); err != nil {
			t.Fatal(err)
		}
		size := db.Stats().LogBytes
		if size < longest && longest <= 2<<20 {
			t.Fatalf("update %d: the log's file went from %d to %d bytes", i, longest, size)
		}
		longest = max(longest, size)
		if i%50 == 49 { // so that the keeper has looked
			settled(t, db)
		}
	}
	if longest > 8<<20 {
		t.Errorf("the log's file had %d bytes", longest)
	}
	if n := events(t, db); n != 600 {
		t.Errorf("%d events", n)
	}
}

// settled waits until the log has less to copy than makes a checkpoint.
func settled(t *testing.T, db *DB) {
	t.Helper()
	s, err := newSession(db.path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	k := &logKeeper{s: s}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		used, err := k.used()
		if err != nil {
			t.Fatal(err)
		}
		if used < 1<<20 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log holds %d bytes still", used)
		}
	}
}
