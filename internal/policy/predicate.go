package policy

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/bailiwick-dev/bailiwick/territory"
)

// predicate is a condition in the common part of the expression language, evaluated without CEL: no allocation, no
// error, some nanoseconds a node. What predicates mean is what CEL says the expression means; a property test holds
// the two together.
type predicate struct {
	op   predicateOp
	fact fact
	day  territory.Day
	flag bool
	text string   // for textEquals, hasPrefix, within and listHolds
	set  []string // for textIn
	args []predicate
}

type predicateOp uint8

const (
	opConst      predicateOp = iota // flag
	opFlag                          // the fact, a boolean
	opTextEquals                    // fact == text
	opTextIn                        // fact in set
	opHasPrefix                     // fact.startsWith(text)
	opWithin                        // fact.within(text)
	opListHolds                     // text in fact
	opDayBefore                     // fact < day
	opDayEquals                     // fact == day
	opNot
	opAnd
	opOr
)

func (p *predicate) holds(f *Facts, today territory.Day) bool {
	switch p.op {
	case opConst:
		return p.flag
	case opFlag:
		return f.flag(p.fact)
	case opTextEquals:
		return f.text(p.fact) == p.text
	case opTextIn:
		return slices.Contains(p.set, f.text(p.fact))
	case opHasPrefix:
		return strings.HasPrefix(f.text(p.fact), p.text)
	case opWithin:
		return territory.Code(p.text).Covers(territory.Code(f.text(p.fact)))
	case opListHolds:
		return slices.Contains(f.Licences, p.text)
	case opDayBefore:
		return f.day(p.fact, today) < p.day
	case opDayEquals:
		return f.day(p.fact, today) == p.day
	case opNot:
		return !p.args[0].holds(f, today)
	case opAnd:
		return p.args[0].holds(f, today) && p.args[1].holds(f, today)
	case opOr:
		return p.args[0].holds(f, today) || p.args[1].holds(f, today)
	}
	return false
}

func (p predicate) not() predicate { return predicate{op: opNot, args: []predicate{p}} }

// native translates a checked expression, and reports false when it uses more of CEL than predicates know.
func native(e ast.Expr) (predicate, bool) {
	switch e.Kind() {
	case ast.LiteralKind:
		b, ok := e.AsLiteral().(types.Bool)
		return predicate{op: opConst, flag: bool(b)}, ok
	case ast.IdentKind:
		which, ok := factNamed(e.AsIdent())
		return predicate{op: opFlag, fact: which}, ok && factTable[which].kind == flagFact
	case ast.CallKind:
		return nativeCall(e.AsCall())
	}
	return predicate{}, false
}

func nativeCall(call ast.CallExpr) (predicate, bool) {
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	switch name := call.FunctionName(); name {
	case operators.LogicalNot:
		p, ok := native(args[0])
		return p.not(), ok
	case operators.LogicalAnd, operators.LogicalOr:
		op := opAnd
		if name == operators.LogicalOr {
			op = opOr
		}
		return nativeFold(op, args)
	case operators.Equals, operators.NotEquals:
		p, ok := nativeEquals(args[0], args[1])
		if name == operators.NotEquals {
			p = p.not()
		}
		return p, ok
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return nativeOrder(name, args[0], args[1])
	case operators.In:
		return nativeIn(args[0], args[1])
	case "startsWith", "within":
		which, ok := factOf(args[0])
		text, constant := textOf(args[1])
		op := opHasPrefix
		if name == "within" {
			op = opWithin
		}
		return predicate{op: op, fact: which, text: text}, ok && constant && isText(which)
	}
	return predicate{}, false
}

// nativeFold joins two or more operands of && or ||.
func nativeFold(op predicateOp, args []ast.Expr) (predicate, bool) {
	p, ok := native(args[0])
	for _, arg := range args[1:] {
		right, known := native(arg)
		p, ok = predicate{op: op, args: []predicate{p, right}}, ok && known
	}
	return p, ok
}

func nativeEquals(a, b ast.Expr) (predicate, bool) {
	which, ok := factOf(a)
	if !ok {
		if which, ok = factOf(b); !ok {
			return predicate{}, false
		}
		b = a
	}
	switch factTable[which].kind {
	case textFact, territoryFact, attestationFact:
		text, constant := textOf(b)
		return predicate{op: opTextEquals, fact: which, text: text}, constant
	case dayFact:
		day, constant := dateOf(b)
		return predicate{op: opDayEquals, fact: which, day: day}, constant
	case flagFact:
		if b.Kind() == ast.LiteralKind {
			if flag, constant := b.AsLiteral().(types.Bool); constant {
				p := predicate{op: opFlag, fact: which}
				if !flag {
					p = p.not()
				}
				return p, true
			}
		}
	}
	return predicate{}, false
}

// nativeOrder knows comparisons of days; all four become "before".
func nativeOrder(name string, a, b ast.Expr) (predicate, bool) {
	which, ok := factOf(a)
	day, constant := dateOf(b)
	if !ok { // date(…) < fact is fact > date(…)
		which, ok = factOf(b)
		day, constant = dateOf(a)
		name = map[string]string{
			operators.Less: operators.Greater, operators.LessEquals: operators.GreaterEquals,
			operators.Greater: operators.Less, operators.GreaterEquals: operators.LessEquals,
		}[name]
	}
	if !ok || !constant || factTable[which].kind != dayFact {
		return predicate{}, false
	}
	before, notAfter := predicate{op: opDayBefore, fact: which, day: day}, predicate{op: opDayBefore, fact: which, day: day + 1}
	switch name {
	case operators.Less:
		return before, true
	case operators.LessEquals:
		return notAfter, true
	case operators.Greater:
		return notAfter.not(), true
	}
	return before.not(), true
}

func nativeIn(a, b ast.Expr) (predicate, bool) {
	if list, ok := factOf(b); ok && factTable[list].kind == textsFact {
		text, constant := textOf(a)
		return predicate{op: opListHolds, fact: list, text: text}, constant
	}
	which, ok := factOf(a)
	if !ok || !isText(which) || b.Kind() != ast.ListKind {
		return predicate{}, false
	}
	p := predicate{op: opTextIn, fact: which}
	for _, e := range b.AsList().Elements() {
		text, constant := textOf(e)
		if !constant {
			return predicate{}, false
		}
		p.set = append(p.set, text)
	}
	return p, true
}

func factOf(e ast.Expr) (fact, bool) {
	if e.Kind() != ast.IdentKind {
		return 0, false
	}
	return factNamed(e.AsIdent())
}

func textOf(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// dateOf reads date("YYYY-MM-DD"), which the loader has found to be a day.
func dateOf(e ast.Expr) (territory.Day, bool) {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "date" || len(e.AsCall().Args()) != 1 {
		return 0, false
	}
	text, ok := textOf(e.AsCall().Args()[0])
	if !ok {
		return 0, false
	}
	day, err := parseDay(text)
	return day, err == nil
}

func isText(f fact) bool {
	kind := factTable[f].kind
	return kind == textFact || kind == territoryFact || kind == attestationFact
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
