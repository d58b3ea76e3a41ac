package policy

import (
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/territory"
)

// Bounds of the parts of a policy.
const (
	maxShort    = 200   // characters of a name or title
	maxLong     = 2000  // characters of a legal basis, a source, a reason
	maxEntries  = 300   // markets, prohibited entries, rules
	maxLicences = 1000  // licences; inline tests likewise
	maxNamed    = 10000 // devices or consignees in one licence
)

// nodes gives the YAML value that each key of one mapping had, to point at.
type nodes map[string]*yaml.Node

// at returns the value of the first key that is there, or whole, so that a complaint always has a place.
func (ns nodes) at(whole *yaml.Node, keys ...string) *yaml.Node {
	for _, k := range keys {
		if n := ns[k]; n != nil {
			return n
		}
	}
	return whole
}

// file is a policy as it was read, with the places of its parts, before the parts are held against each other.
type file struct {
	root     *yaml.Node
	at       nodes
	codes    []statedCode
	grounds  []fileGround
	licences []fileLicence
	rules    []fileRule
	tests    []test
	expected []expectedID
}

// expectedID is an id that a test expects, of a prohibited entry ("rule"), a custom rule ("custom") or a licence.
type expectedID struct {
	what, id string
	node     *yaml.Node
}

// statedCode is one mention of a territory in markets or prohibited.
type statedCode struct {
	code   territory.Code
	node   *yaml.Node
	status MarketStatus
	ground *ground // when prohibited
}

type fileGround struct {
	*ground
	whole *yaml.Node
	at    nodes
}

type fileLicence struct {
	*licence
	whole *yaml.Node
	at    nodes
	codes []*yaml.Node // of territories, in step
}

type fileRule struct {
	id, reason string
	effect     Verdict
	within     []string
	withinAt   []*yaml.Node // in step
	whole      *yaml.Node
	at         nodes
}

// policy reads the whole file into p and the returned parts.
func (r *reader) policy(root *yaml.Node, p *Policy) *file {
	f := &file{root: root}
	f.at = r.mapping(root, "the policy",
		key{"format", true, func(n *yaml.Node) { r.choice(n, "format", []string{Format}) }},
		key{"id", true, func(n *yaml.Node) { p.ID = r.id(n, "id") }},
		key{"version", true, func(n *yaml.Node) { p.Version = r.number(n, "version", "", 1, 1_000_000) }},
		key{"title", true, func(n *yaml.Node) { p.Title = r.text(n, "title", maxShort) }},
		key{"disclaimer", false, func(n *yaml.Node) { p.Disclaimer = r.text(n, "disclaimer", maxLong) }},
		key{"authors", false, func(n *yaml.Node) { p.Authors = r.texts(n, "authors", 50, maxShort) }},
		key{"approved_by", false, func(n *yaml.Node) { p.ApprovedBy = r.texts(n, "approved_by", 50, maxShort) }},
		key{"effective_from", true, func(n *yaml.Node) {
			p.effective = r.date(n, "effective_from")
			p.EffectiveFrom = p.effective.Time()
		}},
		key{"applies_to", true, func(n *yaml.Node) { r.appliesTo(n, p) }},
		key{"observation", true, func(n *yaml.Node) { r.observation(n, p) }},
		key{"notice", true, func(n *yaml.Node) { r.notice(n, p) }},
		key{"sunset", true, func(n *yaml.Node) { r.sunset(n, p) }},
		key{"contact", true, func(n *yaml.Node) { r.contact(n, p) }},
		key{"markets", false, func(n *yaml.Node) {
			r.list(n, "markets", 0, maxEntries, func(n *yaml.Node) { r.market(n, p, f) })
		}},
		key{"prohibited", true, func(n *yaml.Node) {
			r.list(n, "prohibited", 0, maxEntries, func(n *yaml.Node) { r.prohibited(n, p, f) })
		}},
		key{"licences", false, func(n *yaml.Node) { r.licencesOf(n, p, f) }},
		key{"rules", false, func(n *yaml.Node) {
			r.list(n, "rules", 0, maxEntries, func(n *yaml.Node) { r.rule(n, f) })
		}},
		key{"tests", false, func(n *yaml.Node) {
			r.list(n, "tests", 0, maxLicences, func(n *yaml.Node) { r.test(n, f) })
		}},
	)
	p.tests = f.tests
	return f
}

func (r *reader) texts(n *yaml.Node, what string, most, length int) []string {
	var list []string
	r.list(n, what, 1, most, func(n *yaml.Node) {
		s := r.text(n, what, length)
		if s != "" && slices.Contains(list, s) {
			r.complain(n, "keep one", "%q is twice in %s", clip(s), what)
		}
		list = append(list, s)
	})
	return list
}

func (r *reader) appliesTo(n *yaml.Node, p *Policy) {
	r.mapping(n, "applies_to", key{"activated_on_or_after", true, func(n *yaml.Node) {
		p.AppliesTo.ActivatedOnOrAfter = r.date(n, "activated_on_or_after")
	}})
}

const charter = "the Charter sets the bounds; a policy may be milder, never harsher"

func (r *reader) observation(n *yaml.Node, p *Policy) {
	o := &p.Observation
	at := r.mapping(n, "observation",
		key{"days", true, func(n *yaml.Node) { o.Days = r.number(n, "days", charter, LeastObservedDays, 90) }},
		key{"window", true, func(n *yaml.Node) { o.Window = r.number(n, "window", charter, LeastObservedDays, 90) }},
		key{"percent", true, func(n *yaml.Node) { o.Percent = uint8(r.number(n, "percent", charter, 50, 99)) }},
	)
	if o.Window != 0 && o.Window < o.Days {
		r.complain(at["window"], "days must fit into the window", "window is %d days, fewer than the %d days to observe", o.Window, o.Days)
	}
}

func (r *reader) notice(n *yaml.Node, p *Policy) {
	at := r.mapping(n, "notice",
		key{"days", true, func(n *yaml.Node) { p.Notice.Days = r.number(n, "days", charter, LeastNoticeDays, 365) }},
		key{"shown_days", true, func(n *yaml.Node) {
			p.Notice.ShownDays = r.number(n, "shown_days", charter, LeastShownDays, MostShownDays)
		}},
	)
	if p.Notice.Days != 0 && p.Notice.ShownDays > p.Notice.Days {
		r.complain(at["shown_days"], "lower it, or give a longer notice", "a notice of %d days cannot be shown on %d", p.Notice.Days, p.Notice.ShownDays)
	}
}

func (r *reader) sunset(n *yaml.Node, p *Policy) {
	r.mapping(n, "sunset", key{"days", true, func(n *yaml.Node) {
		p.Sunset = r.number(n, "days", charter, 1, MostSunsetDays)
	}})
}

func (r *reader) contact(n *yaml.Node, p *Policy) {
	c := &p.Contact
	r.mapping(n, "contact",
		key{"name", true, func(n *yaml.Node) { c.Name = r.text(n, "name", maxShort) }},
		key{"phone", false, func(n *yaml.Node) { c.Phone = r.text(n, "phone", maxShort) }},
		key{"email", false, func(n *yaml.Node) { c.Email = r.text(n, "email", maxShort) }},
		key{"owner_page", true, func(n *yaml.Node) { c.OwnerURL = r.url(n, "owner_page") }},
		key{"retailers", false, func(n *yaml.Node) { c.Retailers = r.url(n, "retailers") }},
	)
	if n.Kind == yaml.MappingNode && c.Phone == "" && c.Email == "" {
		r.complain(n, "add phone or email", "an owner must be able to reach a person")
	}
}

var urlForm = regexp.MustCompile(`^https?://[^\s<>"'\\]+$`)

// url reads an http or https URL. What devices and pages show as a link must never be another scheme.
func (r *reader) url(n *yaml.Node, what string) string {
	s := r.text(n, what, maxShort)
	if s != "" && !urlForm.MatchString(s) {
		r.complain(n, "write https://…", "%s is no web address: %q", what, clip(s))
	}
	return s
}

func (r *reader) market(n *yaml.Node, p *Policy, f *file) {
	var m Market
	var mentions []statedCode
	r.mapping(n, "a market",
		key{"codes", true, func(n *yaml.Node) {
			r.list(n, "codes", 1, maxEntries, func(n *yaml.Node) {
				if c := r.code(n, "code"); c != territory.Unknown {
					m.Codes = append(m.Codes, c)
					mentions = append(mentions, statedCode{code: c, node: n})
				}
			})
		}},
		key{"status", true, func(n *yaml.Node) {
			if n.Value == "prohibited" {
				r.complain(n, "add an entry with its legal basis under prohibited:", "a market cannot be prohibited here")
				return
			}
			m.Status = MarketStatus(max(r.choice(n, "status", statusNames[:2]), 0))
		}},
	)
	for _, c := range mentions {
		c.status = m.Status
		f.codes = append(f.codes, c)
	}
	p.markets = append(p.markets, m)
}

func (r *reader) prohibited(n *yaml.Node, p *Policy, f *file) {
	g := &ground{index: len(p.grounds), line: n.Line}
	g.Codes = []territory.Code{}
	at := r.mapping(n, "a prohibited territory",
		key{"id", true, func(n *yaml.Node) { g.Rule = r.id(n, "id") }},
		key{"name", true, func(n *yaml.Node) { g.Name = r.text(n, "name", maxShort) }},
		key{"codes", true, func(n *yaml.Node) {
			r.list(n, "codes", 1, maxEntries, func(n *yaml.Node) {
				if c := r.code(n, "code"); c != territory.Unknown {
					g.Codes = append(g.Codes, c)
					f.codes = append(f.codes, statedCode{c, n, MarketProhibited, g})
				}
			})
		}},
		key{"legal_basis", true, func(n *yaml.Node) { g.LegalBasis = r.text(n, "legal_basis", maxLong) }},
		key{"source", true, func(n *yaml.Node) { g.Source = r.text(n, "source", maxLong) }},
		key{"since", true, func(n *yaml.Node) { g.since = r.date(n, "since"); g.Since = g.since.Time() }},
		key{"until", false, func(n *yaml.Node) { g.until = r.date(n, "until"); g.Until = g.until.Time() }},
		key{"review_by", true, func(n *yaml.Node) { g.reviewBy = r.date(n, "review_by"); g.ReviewBy = g.reviewBy.Time() }},
	)
	p.grounds = append(p.grounds, g)
	f.grounds = append(f.grounds, fileGround{g, n, at})
}

func (r *reader) licencesOf(n *yaml.Node, p *Policy, f *file) {
	r.mapping(n, "licences",
		key{"general", false, func(n *yaml.Node) {
			r.list(n, "general", 0, maxLicences, func(n *yaml.Node) { r.licence(n, false, p, f) })
		}},
		key{"individual", false, func(n *yaml.Node) {
			r.list(n, "individual", 0, maxLicences, func(n *yaml.Node) { r.licence(n, true, p, f) })
		}},
	)
}

func (r *reader) licence(n *yaml.Node, individual bool, p *Policy, f *file) {
	l := &licence{individual: individual, line: n.Line}
	fl := fileLicence{licence: l, whole: n}
	keys := []key{
		{"id", true, func(n *yaml.Node) { l.id = r.id(n, "id") }},
		{"title", true, func(n *yaml.Node) { l.title = r.text(n, "title", maxLong) }},
		{"territories", true, func(n *yaml.Node) {
			r.list(n, "territories", 1, maxEntries, func(n *yaml.Node) {
				if c := r.code(n, "territory"); c != territory.Unknown {
					l.territories, fl.codes = append(l.territories, c), append(fl.codes, n)
				}
			})
		}},
		{"valid_from", true, func(n *yaml.Node) { l.from = r.date(n, "valid_from") }},
		{"valid_until", false, func(n *yaml.Node) { l.until = r.date(n, "valid_until") }},
		{"source", true, func(n *yaml.Node) { l.source = r.text(n, "source", maxLong) }},
	}
	what := "a general licence"
	if individual {
		what = "an individual licence"
		keys = append(keys,
			key{"reference", true, func(n *yaml.Node) { l.reference = r.text(n, "reference", maxShort) }},
			key{"devices", false, func(n *yaml.Node) { l.devices = r.devices(n) }},
			key{"consignees", false, func(n *yaml.Node) { l.consignees = r.texts(n, "consignees", maxNamed, maxShort) }},
		)
	} else {
		keys = append(keys, key{"goods", true, func(n *yaml.Node) { r.goods(n, l) }})
	}
	fl.at = r.mapping(n, what, keys...)
	if individual && fl.at["devices"] == nil && fl.at["consignees"] == nil && n.Kind == yaml.MappingNode {
		r.complain(n, "add devices or consignees", "an individual licence names devices or consignees")
	}
	f.licences = append(f.licences, fl)
	p.licences = append(p.licences, l)
}

func (r *reader) goods(n *yaml.Node, l *licence) {
	at := r.mapping(n, "goods",
		key{"models", false, func(n *yaml.Node) { l.models = r.texts(n, "models", maxNamed, maxShort) }},
		key{"tac_prefixes", false, func(n *yaml.Node) {
			l.prefixes = r.texts(n, "tac_prefixes", maxNamed, 8)
			for i, s := range l.prefixes {
				if s != "" && !digitsOnly.MatchString(s) {
					r.complain(n.Content[i], "", "a TAC prefix has 1 to 8 digits, not %q", clip(s))
				}
			}
		}},
		key{"categories", false, func(n *yaml.Node) { l.categories = r.texts(n, "categories", 100, maxShort) }},
	)
	if len(at) == 0 && n.Kind == yaml.MappingNode {
		r.complain(n, "add models, tac_prefixes or categories", "goods are of some class")
	}
}

var digitsOnly = regexp.MustCompile(`^[0-9]{1,8}$`)

func (r *reader) devices(n *yaml.Node) map[device.ID]bool {
	ids := map[device.ID]bool{}
	r.list(n, "devices", 1, maxNamed, func(n *yaml.Node) {
		id, err := device.ParseID(r.text(n, "device", maxShort))
		switch {
		case err != nil:
			r.complain(n, "32 lower-case hexadecimal digits, in quotes", "%q is no device id", clip(n.Value))
		case ids[id]:
			r.complain(n, "keep one", "device %s again", id)
		}
		ids[id] = true
	})
	return ids
}

func (r *reader) rule(n *yaml.Node, f *file) {
	fr := fileRule{whole: n}
	effect := -1
	fr.at = r.mapping(n, "a rule",
		key{"id", true, func(n *yaml.Node) { fr.id = r.id(n, "id") }},
		key{"within", false, func(n *yaml.Node) {
			r.list(n, "within", 1, maxEntries, func(n *yaml.Node) {
				fr.within, fr.withinAt = append(fr.within, r.id(n, "within")), append(fr.withinAt, n)
			})
		}},
		key{"when", true, func(n *yaml.Node) {
			if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" && n.ShortTag() != "!!bool" {
				r.complain(n, "", "when is a CEL expression, this is %s", kindOf(n))
			}
		}},
		key{"effect", true, func(n *yaml.Node) { effect = r.choice(n, "effect", verdictNames) }},
		key{"reason", true, func(n *yaml.Node) { fr.reason = r.text(n, "reason", maxLong) }},
	)
	fr.effect = Verdict(max(effect, 0))
	f.rules = append(f.rules, fr)
}
