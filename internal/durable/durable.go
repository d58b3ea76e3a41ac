// Package durable writes small files so that a kill or a power cut leaves the old one or the new one, and never half of one.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile replaces a file, or makes it with the given permissions. When it returns without an error the file is on the disk, under its name.
// A file NAME.new beside it is what a kill has left; the next WriteFile replaces it.
func WriteFile(name string, data []byte, perm fs.FileMode) error {
	part := name + ".new"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(part, name); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(name))
}

// SyncTree makes all files below dir durable, and their names.
func SyncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return SyncFolder(path)
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
