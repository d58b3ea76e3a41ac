package policy

import (
	"bytes"
	_ "embed"
)

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of policy files, for editors. [Parse] does not use it and checks more.
func Schema() []byte { return bytes.Clone(schema) }
