package drill

import (
	"testing"
	"time"
)

func TestStage(t *testing.T) {
	began := time.Now()
	s, err := Stage(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	loot, err := plunder(t.Context(), s.serverDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Drills() {
		for _, a := range d.attacks {
			began := time.Now()
			o, err := a.perform(t.Context(), s, loot)
			if err != nil {
				t.Error(d.Name, err)
				continue
			}
			t.Logf("%s: %s (%v)\n%v", d.Name, a.name, time.Since(began), o)
		}
	}
	t.Logf("%v, %d actors, %d orders", time.Since(began), len(s.actors), len(s.own))
}
