package lines_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/agent"
	"github.com/bailiwick-dev/bailiwick/agent/lines"
	"github.com/bailiwick-dev/bailiwick/order"
	"github.com/bailiwick-dev/bailiwick/territory"
)

const whole = `{"gnss":{"lat":23.1136,"lon":-82.3666,"accuracy_m":20},"cell":"368-01","sim":"250-32","wifi":"CU"}`

func TestParseSignals(t *testing.T) {
	s, err := lines.ParseSignals([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if *s.GNSS != (territory.Fix{Lat: 23.1136, Lon: -82.3666, AccuracyM: 20}) || s.Cell != "368-01" || s.SIM != "250-32" || s.WiFi != "CU" {
		t.Fatalf("%+v", s)
	}
	if s, err := lines.ParseSignals([]byte("{}")); err != nil || s != (territory.Signals{}) {
		t.Fatalf("nothing seen: %+v, %v", s, err)
	}
	for _, bad := range []string{
		"", "[]", "null", `"x"`, "{", `{"ip":"CU"}`, `{"gnss":{}}`, `{"gnss":{"lat":1}}`, `{"gnss":{"lat":91,"lon":0}}`,
		`{"gnss":{"lat":0,"lon":-181}}`, `{"gnss":{"lat":0,"lon":0,"accuracy_m":-1}}`, `{"gnss":{"lat":1e999,"lon":0}}`,
		`{"cell":"36801"}`, `{"sim":"x"}`, `{"wifi":"cu"}`, `{"wifi":"UA-43"}`, `{"wifi":"CU"} {}`, `{"wifi":"CU","wifi":"DE"}`,
		`{"wifi":"CU","WiFi":"DE"}`, `{"wifi":"CU","altitude":3}`, strings.Repeat(" ", lines.MaxSignals) + "{}",
		strings.Repeat(`{"gnss":`, 20) + "1" + strings.Repeat("}", 20),
	} {
		if _, err := lines.ParseSignals([]byte(bad)); !errors.Is(err, lines.ErrSignals) {
			t.Errorf("%.60q: %v", bad, err)
		}
	}
}

func FuzzParseSignals(f *testing.F) {
	for _, seed := range []string{whole, "{}", `{"wifi":"CU","wifi":"DE"}`, `{"gnss":{"lat":91,"lon":0}}`, `{"cell":"001-001"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		s, err := lines.ParseSignals(line)
		if err != nil {
			if !errors.Is(err, lines.ErrSignals) {
				t.Fatal(err)
			}
			return
		}
		territory.Assess(s)
	})
}

func TestWritten(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 5e8, time.FixedZone("", 3600))
	view := agent.GroundView{
		Stage: order.Locked, Ground: order.Ground{Kind: order.Rule, ID: "cuba"}, Reference: "K7QF-2M9X", Territory: "CU",
		EndsAt: at, ShownDays: 3,
	}
	for name, c := range map[string]struct {
		value any
		want  string
	}{
		"locked screen": {lines.ScreenOf(agent.Screen{
			GroundView: view, Grounds: []agent.GroundView{view}, Activation: &territory.Activation{Territory: "CU", Day: territory.DayOf(at)},
			Days:      []territory.DayRecord{{Day: territory.DayOf(at), Territory: "CU", Percent: 98}},
			Challenge: "12345678", CodeWait: 1500 * time.Millisecond, Today: territory.DayOf(at), WayOut: []agent.Exit{agent.UnlockCode},
		}), `{"stage":"locked","ground":"rule:cuba","reference":"K7QF-2M9X","territory":"CU","ends_at":"2026-03-02T08:00:00Z","shown_days":3,` +
			`"grounds":[{"stage":"locked","ground":"rule:cuba","reference":"K7QF-2M9X","territory":"CU","ends_at":"2026-03-02T08:00:00Z","shown_days":3}],` +
			`"activation":{"territory":"CU","day":"2026-03-02"},"days":[{"day":"2026-03-02","territory":"CU","percent":98}],"contact":{},` +
			`"challenge":"12345678","code_wait_s":2,"today":"2026-03-02","way_out":["unlock-code"]}`},
		"free screen": {lines.ScreenOf(agent.Screen{}), `{"stage":"observed","grounds":[],"days":[],"contact":{},"challenge":"","today":"1970-01-01","way_out":null}`},
		"outcome":     {lines.OutcomeOf(agent.Outcome{Applied: []order.ID{{1}}, NextCheckIn: at}), `{"applied":["01` + strings.Repeat("0", 62) + `"],"refused":[],"next_check_in":"2026-03-02T08:00:00Z"}`},
		"code":        {lines.CodeOf(agent.CodeResult{TooEarly: true, Wait: time.Second}), `{"unlocked":false,"too_early":true,"wait_s":1}`},
	} {
		if got, err := json.Marshal(c.value); err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n%s\n%s", name, err, got, c.want)
		}
	}
}
