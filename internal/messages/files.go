package messages

import (
	"io/fs"
	"path"
)

// Files returns the embedded catalogues by name, FAMILY.LANG.json: what owners read is listed among what officers sign.
func Files() (map[string][]byte, error) {
	names, err := fs.Glob(catalogues, "catalogue/*.json")
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte, len(names))
	for _, name := range names {
		if files[path.Base(name)], err = catalogues.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return files, nil
}
