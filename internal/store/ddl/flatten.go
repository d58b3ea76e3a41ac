package ddl

import (
	"regexp"
	"slices"
	"strings"
)

var (
	createTable   = regexp.MustCompile(`^CREATE TABLE (?:IF NOT EXISTS )?(\w+)`)
	dropTable     = regexp.MustCompile(`^DROP TABLE (\w+);$`)
	renameTable   = regexp.MustCompile(`^ALTER TABLE (\w+) RENAME TO (\w+);$`)
	alterType     = regexp.MustCompile(`(?s)^ALTER TABLE (\w+) ALTER (?:COLUMN )?(\w+) TYPE (\w+)(?: USING .*)?;$`)
	dropReference = regexp.MustCompile(`^ALTER TABLE (\w+) DROP CONSTRAINT \w+?_(\w+)_fkey;$`)
	dropUnique    = regexp.MustCompile(`^ALTER TABLE (\w+) DROP CONSTRAINT \w+?_(\w+)_key;$`)
	otherKey      = regexp.MustCompile(`^ALTER TABLE (\w+) DROP CONSTRAINT \w+_pkey, ADD PRIMARY KEY \(([^)]*)\);$`)
	ofTable       = regexp.MustCompile(`(?s)^(?:ALTER TABLE|INSERT INTO) (\w+)`)
	createIndex   = regexp.MustCompile(`^CREATE (?:UNIQUE )?INDEX (\w+) ON (\w+)`)
	dropIndex     = regexp.MustCompile(`^DROP INDEX (\w+);$`)
	createFunc    = regexp.MustCompile(`^CREATE FUNCTION (\w+)\(`)
	dropFunc      = regexp.MustCompile(`^DROP FUNCTION (\w+)\([^)]*\);$`)
	createTrigger = regexp.MustCompile(`(?s)^CREATE TRIGGER (\w+).*? ON (\w+)`)
	dropTrigger   = regexp.MustCompile(`^DROP TRIGGER (\w+) ON (\w+);$`)
)

// flattener takes out of a chain of migrations what a later one undoes, so that an empty database never sees it: engines that spread tables
// change the type of a column, or the key of a table, with difficulty or not at all.
type flattener struct {
	statements []string
	dead       []bool
	tables     map[string]*[]int // by present name: the statements that make it what it is, its CREATE TABLE first
	others     map[string]int    // indexes, functions, triggers by kind and name: the statement that makes it
}

// flatten returns the statements that are left, in their order; what was taken out is empty.
func flatten(statements []string) []string {
	f := &flattener{slices.Clone(statements), make([]bool, len(statements)), map[string]*[]int{}, map[string]int{}}
	for i := range f.statements {
		f.step(i)
	}
	for i, dead := range f.dead {
		if dead {
			f.statements[i] = ""
		}
	}
	return f.statements
}

func (f *flattener) step(i int) {
	s := f.statements[i]
	if m := createTable.FindStringSubmatch(s); m != nil {
		f.tables[m[1]] = &[]int{i}
	} else if m := dropTable.FindStringSubmatch(s); m != nil && f.tables[m[1]] != nil {
		f.kill(append(*f.tables[m[1]], i)...)
		delete(f.tables, m[1])
	} else if m := renameTable.FindStringSubmatch(s); m != nil {
		t := f.tables[m[1]]
		delete(f.tables, m[1])
		f.tables[m[2]] = t
		*t = append(*t, i)
	} else if m := alterType.FindStringSubmatch(s); m != nil {
		f.edit(i, m[1], `(?m)^(\s+`+m[2]+`\s+)\w+`, "${1}"+m[3])
	} else if m := dropReference.FindStringSubmatch(s); m != nil {
		f.edit(i, m[1], `(?m)^(\s+`+m[2]+`\s.*?) REFERENCES \w+ \(\w+\)`, "${1}")
	} else if m := dropUnique.FindStringSubmatch(s); m != nil {
		f.edit(i, m[1], `(?m)^(\s+`+m[2]+`\s.*?) UNIQUE`, "${1}")
	} else if m := otherKey.FindStringSubmatch(s); m != nil {
		f.edit(i, m[1], `(?m)^(\s+)PRIMARY KEY \([^)]*\)`, "${1}PRIMARY KEY ("+m[2]+")")
	} else if m := createIndex.FindStringSubmatch(s); m != nil {
		f.make("index "+m[1], m[2], i)
	} else if m := dropIndex.FindStringSubmatch(s); m != nil {
		f.unmake("index "+m[1], i)
	} else if m := createFunc.FindStringSubmatch(s); m != nil {
		f.make("function "+m[1], "", i)
	} else if m := dropFunc.FindStringSubmatch(s); m != nil {
		f.unmake("function "+m[1], i)
	} else if m := createTrigger.FindStringSubmatch(s); m != nil {
		f.make("trigger "+m[1]+" on "+m[2], m[2], i)
	} else if m := dropTrigger.FindStringSubmatch(s); m != nil {
		f.unmake("trigger "+m[1]+" on "+m[2], i)
	} else if m := ofTable.FindStringSubmatch(s); m != nil && f.tables[m[1]] != nil {
		*f.tables[m[1]] = append(*f.tables[m[1]], i)
	}
}

func (f *flattener) kill(list ...int) {
	for _, i := range list {
		f.dead[i] = true
	}
}

// edit changes the CREATE TABLE of a table instead of altering it, if that says what is to be changed.
func (f *flattener) edit(i int, table, what, instead string) {
	t := f.tables[table]
	if t == nil {
		return
	}
	made := &f.statements[(*t)[0]]
	if r := regexp.MustCompile(what); r.MatchString(*made) {
		*made = r.ReplaceAllString(*made, instead)
		f.kill(i)
	}
}

func (f *flattener) make(name, table string, i int) {
	f.others[name] = i
	if t := f.tables[table]; t != nil {
		*t = append(*t, i)
	}
}

func (f *flattener) unmake(name string, i int) {
	if made, known := f.others[name]; known {
		f.kill(made, i)
		delete(f.others, name)
	}
}

// tablesIn lists the tables that are there after the statements.
func tablesIn(statements []string) (names []string) {
	for _, s := range statements {
		if m := createTable.FindStringSubmatch(s); m != nil {
			names = append(names, m[1])
		} else if m := dropTable.FindStringSubmatch(s); m != nil {
			names = slices.DeleteFunc(names, func(n string) bool { return n == m[1] })
		} else if m := renameTable.FindStringSubmatch(s); m != nil {
			names[slices.Index(names, m[1])] = m[2]
		}
	}
	return names
}

// aside reports whether a comment is meant for programs that read the migrations.
func aside(comment string) bool { return strings.HasPrefix(comment, "-- then:") }
