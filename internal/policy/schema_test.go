package policy

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("policy.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("policy.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// jsonOf turns YAML into what a JSON Schema speaks of; dates stay text.
func jsonOf(t *testing.T, src []byte) any {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		t.Fatal(err)
	}
	var convert func(n *yaml.Node) any
	convert = func(n *yaml.Node) any {
		switch n.Kind {
		case yaml.DocumentNode:
			return convert(n.Content[0])
		case yaml.MappingNode:
			m := map[string]any{}
			for i := 0; i < len(n.Content); i += 2 {
				m[n.Content[i].Value] = convert(n.Content[i+1])
			}
			return m
		case yaml.SequenceNode:
			list := make([]any, len(n.Content))
			for i, item := range n.Content {
				list[i] = convert(item)
			}
			return list
		}
		switch n.ShortTag() {
		case "!!int", "!!float":
			return json.Number(n.Value)
		case "!!bool":
			return n.Value == "true"
		case "!!null":
			return nil
		}
		return strings.TrimSpace(n.Value)
	}
	return convert(&doc)
}

func TestWhatParsesSatisfiesTheSchema(t *testing.T) {
	s := compiledSchema(t)
	sources := map[string][]byte{"goodSource": []byte(goodSource)}
	examples, _ := filepath.Glob("../../policies/*.yaml")
	if len(examples) != 2 {
		t.Fatalf("%d example policies", len(examples))
	}
	for _, name := range examples {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources[name] = src
	}
	for name, src := range sources {
		if err := s.Validate(jsonOf(t, src)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is wrong with these files can be seen without knowing territories, dates or expressions; an editor with the schema
// must see it too.
func TestTheSchemaRefusesWhatIsMalformed(t *testing.T) {
	s := compiledSchema(t)
	for _, name := range []string{"keys", "types", "charter", "licences", "expressions", "list"} {
		src, err := os.ReadFile("testdata/bad/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(jsonOf(t, src)) == nil {
			t.Errorf("the schema accepts %s.yaml", name)
		}
	}
}

// The schema and the loader know the same keys, everywhere: the loader lists its own in the hint on an unknown one.
func TestTheSchemaKnowsTheKeysOfTheLoader(t *testing.T) {
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	const odd = "qqqqqqqqqqqqqqqqqqqq"
	objects := 0
	var visit func(schema map[string]any, wrap func(string) string)
	visit = func(schema map[string]any, wrap func(string) string) {
		if items, ok := schema["items"].(map[string]any); ok {
			visit(items, func(inner string) string { return wrap("[" + inner + "]") })
		}
		properties, ok := schema["properties"].(map[string]any)
		if !ok {
			return
		}
		objects++
		want := slices.Sorted(maps.Keys(properties))
		_, err := Parse("x", []byte(wrap("{"+odd+": 1}")))
		var got []string
		for _, p := range err.(Problems) {
			if strings.Contains(p.Message, odd) {
				got = strings.Split(strings.TrimPrefix(p.Hint, "one of: "), ", ")
				slices.Sort(got)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-schema +loader):\n%s", wrap("…"), diff)
		}
		for _, name := range want {
			visit(properties[name].(map[string]any), func(inner string) string { return wrap("{" + name + ": " + inner + "}") })
		}
	}
	visit(root, func(inner string) string { return inner })
	if objects < 14 {
		t.Errorf("%d objects were compared", objects)
	}
}

func TestTheSchemaKnowsTheReasons(t *testing.T) {
	var codes []string
	for _, doc := range ReasonDocs() {
		codes = append(codes, `"`+string(doc.Code)+`"`)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, Schema()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(compact.String(), "["+strings.Join(codes, ",")+"]") {
		t.Error("the reasons of the schema are not those of the code")
	}
}
