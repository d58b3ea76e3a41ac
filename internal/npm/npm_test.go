package npm

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOnlyThePinnedVersionIsTaken(t *testing.T) {
	folder := t.TempDir()
	about := filepath.Join(folder, "node_modules", "@scope", "data")
	if err := os.MkdirAll(about, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(about, "package.json"), []byte(`{"version":"1.2.3"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	modules, done, err := Modules(folder, []string{"@scope/data@1.2.3"})
	if err != nil || modules != filepath.Join(folder, "node_modules") {
		t.Fatalf("%q, %v", modules, err)
	}
	done()
	if _, err := os.Stat(about); err != nil {
		t.Error("a folder that was given was removed")
	}
	for _, other := range []string{"@scope/data@1.2.4", "missing@1.0.0"} {
		if _, _, err := Modules(folder, []string{other}); err == nil {
			t.Errorf("%s was taken", other)
		}
	}
}
