// Command gen makes the embedded assets of package web that others wrote: htmx and the map of the world. It needs node,
// npm and the Go command, works in a scratch folder, and writes into the folder named as its argument.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// zones is the Go module that carries the polygon of Crimea (DATA.md).
const zones = "github.com/ringsaturn/tzf-rel-lite@v0.0.2025-b2"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "bailiwick-web-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	for _, name := range []string{"package.json", "world.mjs"} {
		text, err := os.ReadFile(filepath.Join("gen", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(scratch, name), text, 0o644); err != nil {
			return err
		}
	}
	if err := command(scratch, "npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
		return err
	}
	zoneFile, err := crimeaSource(scratch)
	if err != nil {
		return err
	}
	if err := command(scratch, "node", "world.mjs", zoneFile, filepath.Join(out, "world.txt")); err != nil {
		return err
	}
	htmx, err := os.ReadFile(filepath.Join(scratch, "node_modules/htmx.org/dist/htmx.min.js"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "htmx.min.js"), htmx, 0o644)
}

// crimeaSource downloads the module outside of this one, so that it is no dependency of the program.
func crimeaSource(scratch string) (string, error) {
	c := exec.Command("go", "mod", "download", "-json", zones)
	c.Dir, c.Stderr = scratch, os.Stderr
	answer, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("download %s: %w", zones, err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(answer, &module); err != nil {
		return "", err
	}
	return filepath.Join(module.Dir, "combined-with-oceans.reduce.bin"), nil
}

func command(dir, name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Dir, c.Stdout, c.Stderr = dir, os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s %v: %w", name, args, err)
	}
	return nil
}
