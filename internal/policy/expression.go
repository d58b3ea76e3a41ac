package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// Bounds of an expression. The facts are bounded too (lists and texts of a record are short), so the estimate of the
// worst cost at load is a promise; the limit at evaluation is the second lock on the same door.
const (
	maxExpression = 2000 // characters
	maxCost       = 20_000
	maxFactText   = 200 // characters of a text fact, for the estimate
	maxFactList   = 64  // entries of a list fact
)

// condition is a compiled expression: a native predicate when it can be, else a CEL program.
type condition struct {
	native  *predicate
	program cel.Program // nil when native is set
}

func (c *condition) holds(f *Facts, today territory.Day) (bool, error) {
	if c.native != nil {
		return c.native.holds(f, today), nil
	}
	return runCEL(c.program, *f, today) // a copy: only this path lets facts escape to the heap
}

func runCEL(program cel.Program, f Facts, today territory.Day) (bool, error) {
	out, _, err := program.Eval(&factBinding{facts: &f, today: today})
	if err != nil {
		return false, fmt.Errorf("policy: evaluate: %w", err)
	}
	b, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("policy: evaluate: %s is not a boolean", out.Type().TypeName())
	}
	return bool(b), nil
}

// factBinding gives CEL the facts by name.
type factBinding struct {
	facts *Facts
	today territory.Day
}

// ResolveName implements cel.Activation.
func (b *factBinding) ResolveName(name string) (any, bool) {
	which, ok := factNamed(name)
	if !ok {
		return nil, false
	}
	switch factTable[which].kind {
	case dayFact:
		return types.Timestamp{Time: b.facts.day(which, b.today).Time()}, true
	case flagFact:
		return types.Bool(b.facts.flag(which)), true
	case textsFact:
		return b.facts.Licences, true
	}
	return types.String(b.facts.text(which)), true
}

// Parent implements cel.Activation.
func (b *factBinding) Parent() cel.Activation { return nil }

// environment is the CEL environment of rules: the standard library, the facts, date() and within().
var environment = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(64),
		cel.DefaultUTCTimeZone(true),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals(),
			cel.ValidateHomogeneousAggregateLiterals(), cel.ValidateComprehensionNestingLimit(1)),
		cel.Function("date", cel.Overload("date_string", []*cel.Type{cel.StringType}, cel.TimestampType,
			cel.UnaryBinding(func(v ref.Val) ref.Val {
				day, err := parseDay(string(v.(types.String)))
				if err != nil {
					return types.WrapErr(err)
				}
				return types.Timestamp{Time: day.Time()}
			}))),
		cel.Function("within", cel.MemberOverload("string_within_string", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType,
			cel.BinaryBinding(func(c, of ref.Val) ref.Val {
				return types.Bool(territory.Code(of.(types.String)).Covers(territory.Code(c.(types.String))))
			}))),
	}
	for _, f := range factTable {
		kind := cel.StringType
		switch f.kind {
		case dayFact:
			kind = cel.TimestampType
		case flagFact:
			kind = cel.BoolType
		case textsFact:
			kind = cel.ListType(cel.StringType)
		}
		options = append(options, cel.VariableWithDoc(f.name, kind, f.doc))
	}
	return cel.NewEnv(options...)
})

func parseDay(s string) (territory.Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a date; write date(\"YYYY-MM-DD\")", clip(s))
	}
	return territory.DayOf(t), nil
}

// fault is something wrong at a place in an expression: line from 1, column from 0, in characters.
type fault struct {
	line, column  int
	message, hint string
}

// expression is a checked expression with what the loader needs to know of it.
type expression struct {
	condition
	text     string
	constant *bool  // set when the outcome is the same whatever the facts are
	uses     []fact // each once
}

// compileExpression checks text and compiles it. Faults and expression exclude each other.
func compileExpression(text string) (*expression, []fault) {
	env, err := environment()
	if err != nil {
		return nil, []fault{{1, 0, "the expression language cannot be set up: " + err.Error(), ""}}
	}
	if n := len([]rune(text)); n > maxExpression {
		return nil, []fault{{1, 0, fmt.Sprintf("the condition has %d characters, at most %d are allowed", n, maxExpression), "split the rule"}}
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, issueFaults(issues)
	}
	if checked.OutputType() != cel.BoolType {
		return nil, []fault{{1, 0, "the condition is a " + cel.FormatCELType(checked.OutputType()) + ", not a boolean", "compare it with something"}}
	}
	tree := checked.NativeRep()
	if faults := badConstants(tree); faults != nil {
		return nil, faults
	}
	steps, err := env.EstimateCost(checked, factSizes{})
	if err != nil || steps.Max > maxCost {
		return nil, []fault{{1, 0, fmt.Sprintf("the condition may cost up to %d steps, at most %d are allowed", steps.Max, maxCost), "make it simpler or split the rule"}}
	}
	e := &expression{text: text, uses: factsIn(tree)}
	if p, ok := native(tree.Expr()); ok {
		e.native = &p
	} else if e.program, err = env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost)); err != nil {
		return nil, []fault{{1, 0, "the condition cannot be compiled: " + err.Error(), ""}}
	}
	if len(e.uses) == 0 {
		holds, err := e.holds(&Facts{}, 0)
		if err != nil {
			return nil, []fault{{1, 0, err.Error(), ""}}
		}
		e.constant = &holds
	}
	return e, nil
}

func issueFaults(issues *cel.Issues) []fault {
	var faults []fault
	for _, e := range issues.Errors() {
		message, hint := plainly(e.Message)
		faults = append(faults, fault{max(e.Location.Line(), 1), max(e.Location.Column(), 0), message, hint})
	}
	return faults
}

// plainly shortens what the CEL parser says and adds what helps with the commonest slips.
func plainly(message string) (plain, hint string) {
	plain, _, _ = strings.Cut(message, " expecting {")
	plain = strings.ReplaceAll(plain, " (in container '')", "")
	switch {
	case strings.HasPrefix(plain, "undeclared reference") && !strings.Contains(plain, "did you mean"):
		names := make([]string, factCount)
		for i, f := range factTable {
			names[i] = f.name
		}
		hint = "facts are " + strings.Join(names, ", ")
	case strings.Contains(plain, "token recognition error at: '="):
		hint = "== compares"
	}
	return plain, hint
}

// factSizes bounds texts and lists for the estimate of cost.
type factSizes struct{}

// EstimateSize implements cost.Estimator.
func (factSizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	path := node.Path()
	if len(path) == 0 {
		return nil
	}
	f, ok := factNamed(path[0])
	switch {
	case !ok:
		return nil
	case factTable[f].kind == textsFact && len(path) == 1:
		return &cost.SizeEstimate{Min: 0, Max: maxFactList}
	}
	return &cost.SizeEstimate{Min: 0, Max: maxFactText}
}

// EstimateCallCost implements cost.Estimator: the standard estimates do.
func (factSizes) EstimateCallCost(function, overload string, target *cost.AstNode, args []cost.AstNode) *cost.CallEstimate {
	return nil
}

func factsIn(tree *ast.AST) []fact {
	var uses []fact
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if f, ok := factOf(e); ok && !slices.Contains(uses, f) {
			uses = append(uses, f)
		}
	}))
	return uses
}

// badConstants finds texts that a fact can never equal: territories that do not exist, attestations that are none, dates
// that are no dates. A condition with such a slip would quietly never hold, or always.
func badConstants(tree *ast.AST) []fault {
	var faults []fault
	check := func(kind factKind, e ast.Expr) {
		text, ok := textOf(e)
		if !ok {
			return
		}
		at := tree.SourceInfo().GetStartLocation(e.ID())
		switch kind {
		case territoryFact:
			if _, err := territory.ParseCode(text); err != nil && text != "" {
				faults = append(faults, fault{at.Line(), at.Column(), fmt.Sprintf("%q is no known territory", clip(text)), suggestTerritory(text)})
			}
		case attestationFact:
			if !slices.Contains(attestationNames, text) {
				faults = append(faults, fault{at.Line(), at.Column(), fmt.Sprintf("attestation is never %q", clip(text)), suggest(text, attestationNames, oneOf(attestationNames))})
			}
		case dayFact:
			if _, err := parseDay(text); err != nil {
				faults = append(faults, fault{at.Line(), at.Column(), err.Error(), ""})
			}
		}
	}
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		call := e.AsCall()
		switch name := call.FunctionName(); name {
		case operators.Equals, operators.NotEquals, operators.In:
			for i, a := range call.Args() {
				if f, ok := factOf(a); ok {
					other := call.Args()[1-i]
					check(factTable[f].kind, other)
					if other.Kind() == ast.ListKind {
						for _, item := range other.AsList().Elements() {
							check(factTable[f].kind, item)
						}
					}
				}
			}
		case "within":
			check(territoryFact, call.Args()[0])
			if text, ok := textOf(call.Args()[0]); ok && text == "" {
				at := tree.SourceInfo().GetStartLocation(call.Args()[0].ID())
				faults = append(faults, fault{at.Line(), at.Column(), "nothing is within an empty territory", ""})
			}
		case "date":
			check(dayFact, call.Args()[0])
		}
	}))
	return faults
}
