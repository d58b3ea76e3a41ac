package web

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"html"
	"html/template"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bailiwick-dev/bailiwick/internal/policy"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Number writes n grouped by thousands, as English does.
func Number(n int) string {
	s := itoa(n)
	if n < 0 {
		return "-" + Number(-n)
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Count writes "1 device", "2,000 devices".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// Date writes a day in full English; "" for the zero time.
func Date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 Jan 2006")
}

// DateTime writes a minute, UTC; "" for the zero time.
func DateTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 Jan 2006, 15:04 UTC")
}

// Day writes a day of a record.
func Day(d territory.Day) string { return Date(d.Time()) }

// Left writes how long it is from now to t: "3 days", "5 hours", "overdue by 2 days".
func Left(now, t time.Time) string {
	d := t.Sub(now)
	if d < 0 {
		return "overdue by " + span(-d)
	}
	return span(d)
}

// Ago writes how long it is since t.
func Ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if d := now.Sub(t); d >= time.Minute {
		return span(d) + " ago"
	}
	return "just now"
}

func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return Count(int(d/(24*time.Hour)), "day", "days")
	case d >= 2*time.Hour:
		return Count(int(d/time.Hour), "hour", "hours")
	case d >= time.Minute:
		return Count(int(d/time.Minute), "minute", "minutes")
	}
	return "less than a minute"
}

// Place names a territory in English; a subdivision with its code.
func Place(c territory.Code) string {
	if c == territory.Unknown {
		return "not established"
	}
	return territory.Name(c, "en")
}

// Sentence makes the first letter of s a capital and ends it with a full stop, unless it ends with a mark already.
func Sentence(s string) string {
	if s == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(s)
	s = string(unicode.ToUpper(first)) + s[size:]
	if !strings.ContainsAny(s[len(s)-1:], ".!?`") {
		s += "."
	}
	return s
}

// StageName names a stage for officers and the public.
func StageName(s order.Stage) string {
	if int(s) < len(stageNames) {
		return stageNames[s]
	}
	return "unknown"
}

// StageClass is the class that colours a stage.
func StageClass(s order.Stage) string { return strings.ToLower(StageName(s)) }

var stageNames = [...]string{"Observed", "Noticed", "Locked", "Lifted"}

// CauseText says why something was lifted.
func CauseText(c order.Cause) string {
	switch c {
	case order.ByRule:
		return "the rule no longer applies"
	case order.ByHuman:
		return "a person decided; never again on this ground"
	case order.ByCase:
		return "the case was concluded; never again on this warrant"
	case order.ByEnd:
		return "its end date came"
	case order.ByCode:
		return "an unlock code was entered; never again on this ground"
	}
	return ""
}

// KindName names an order's kind.
func KindName(k order.Kind) string {
	switch k {
	case order.Notice:
		return "Notice"
	case order.Lock:
		return "Lock"
	case order.Lift:
		return "Lift"
	}
	return "unknown"
}

// GroundText names a ground: "rule crimea", "warrant-0001".
func GroundText(g order.Ground) string {
	if g.Kind == order.Rule {
		return "rule " + g.ID
	}
	return g.ID
}

// VerdictText says a verdict in words that an officer uses.
func VerdictText(v policy.Verdict) string {
	switch v {
	case policy.Permit:
		return "Permitted"
	case policy.Deny:
		return "Denied"
	}
	return "Undecided"
}

// SignalNames lists kinds of signals.
func SignalNames(k territory.Kinds) string { return strings.ReplaceAll(k.String(), ",", ", ") }

func sortByCount(codes []territory.Code, count map[territory.Code]int) {
	slices.SortStableFunc(codes, func(a, b territory.Code) int { return cmp.Compare(count[b], count[a]) })
}

var webAddress = regexp.MustCompile(`https://[^\s<>"'();,]+`)

// cite writes a source and makes links of the addresses in it.
func cite(source string) template.HTML {
	var b strings.Builder
	rest := source
	for _, at := range webAddress.FindAllStringIndex(source, -1) {
		before := rest[:at[0]-(len(source)-len(rest))]
		address := strings.TrimRight(source[at[0]:at[1]], ".:!?")
		rest = source[at[0]+len(address):]
		a := html.EscapeString(address)
		b.WriteString(html.EscapeString(before) + `<a href="` + a + `" rel="noreferrer">` + a + `</a>`)
	}
	b.WriteString(html.EscapeString(rest))
	return template.HTML(b.String())
}

// hashText writes an array of bytes in hexadecimal.
func hashText(v any) (string, error) {
	switch v := v.(type) {
	case [32]byte:
		return hex.EncodeToString(v[:]), nil
	case order.ID:
		return hex.EncodeToString(v[:]), nil
	case []byte:
		return hex.EncodeToString(v), nil
	case fmt.Stringer:
		return v.String(), nil
	}
	return "", fmt.Errorf("web: %T is no hash", v)
}

// numberOf is Number for the kinds of whole numbers that templates meet.
func numberOf(v any) (string, error) {
	switch n := v.(type) {
	case int:
		return Number(n), nil
	case int64:
		return Number(int(n)), nil
	case uint64:
		return Number(int(n)), nil
	}
	return "", fmt.Errorf("web: %T is no number", v)
}
