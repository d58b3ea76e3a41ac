package e2e

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/bailiwick-dev/bailiwick/device"
	"github.com/bailiwick-dev/bailiwick/internal/app"
	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/cli"
	"github.com/bailiwick-dev/bailiwick/internal/store/sqlite"
)

// made is a production record as it stands in a file and in the tables: the IMEI without its check digit, the date as days since 1970.
type made struct {
	IMEI                                          int64
	Serial, Model, Market, Consignment, Consignee string
	ShippedOn                                     int64
}

// production is a file of n records, with lines that are wrong among them, and what should become of it.
type production struct {
	text    bytes.Buffer
	lines   int
	records []made
	bad     map[int]string // by line, a part of what is said of it
}

func (p *production) line(text, end, wrong string) {
	p.lines++
	p.text.WriteString(text + end)
	if wrong != "" {
		p.bad[p.lines] = wrong
	}
}

// produced writes a file as they come out of spreadsheets and of databases: with the mark at its beginning, both line ends, quotes where
// they are needed and where they are not, and no end of the last line.
func produced(n int) *production {
	p := &production{bad: make(map[int]string)}
	p.line("\ufeffimei,serial,model,market,consignment,consignee,shipped_on", "\r\n", "")
	models := []string{"Lantern X", "Lantern, X", `Lantern "X"`, "Фонарь", "灯笼 5"}
	markets := []string{"DE", "ES", "IN", "UA", "UA-43"}
	begin := time.Date(2021, 7, 20, 0, 0, 0, 0, time.UTC)
	for i := range n {
		body := fmt.Sprintf("35%012d", i)
		imei := body + string(device.CheckDigit(body))
		shipped := begin.AddDate(0, 0, i/3000)
		r := made{Serial: fmt.Sprint("S", i), Model: models[i%5], Market: markets[i%7%5], Consignment: fmt.Sprintf("SHIP-%03d", i/1000),
			Consignee: "Example Trading", ShippedOn: shipped.Unix() / 86400}
		r.IMEI, _ = strconv.ParseInt(body, 10, 64)
		date := shipped.Format(time.DateOnly)
		if i%11 == 0 {
			r.Consignment, r.Consignee, r.ShippedOn, date = "", "", 0, ""
		}
		serial, model, end := r.Serial, r.Model, "\n"
		if i%5 == 1 || i%5 == 2 {
			model = `"` + strings.ReplaceAll(model, `"`, `""`) + `"`
		}
		if i%13 == 0 {
			serial, end = `"`+serial+`"`, "\r\n"
		}
		if i == n-1 {
			end = ""
		}
		p.wrong(i, imei)
		p.line(strings.Join([]string{imei, serial, model, r.Market, r.Consignment, r.Consignee, date}, ","), end, "")
		p.records = append(p.records, r)
	}
	return p
}

// wrong writes lines that are none before some records.
func (p *production) wrong(i int, imei string) {
	switch i % 997 {
	case 100: // a field over two lines: neither of them is a record
		p.line(imei+`,"S`, "\n", "7 fields")
		p.line(`1",Lantern X,DE,,,`, "\n", "7 fields")
	case 200:
		p.line(imei+",S\x00,Lantern X,DE,,,", "\n", "serial: it has characters that are no text")
	case 300:
		p.line(imei+",S,Lantern \xff\xfe,DE,,,", "\r\n", "model: it has characters that are no text")
	case 400:
		p.line(imei+","+strings.Repeat("S", 3000)+",Lantern X,DE,,,", "\n", "longer than 1024 bytes")
	case 500:
		p.line("", "\r\n", "the line is empty")
	case 600:
		p.line(imei[:14]+string('0'+(imei[14]-'0'+1)%10)+",S,Lantern X,DE,,,", "\n", "digit is mistyped")
	case 700: // of a record before
		body := fmt.Sprintf("35%012d", i-1)
		p.line(body+string(device.CheckDigit(body))+",S,Lantern X,DE,,,", "\n", fmt.Sprintf("it stands in line %d already", p.lines))
	case 800: // a carriage return that ends no line
		p.line(imei+",S\r1,Lantern X,DE,,,", "\n", "serial: it has characters that are no text")
	case 900:
		p.line(imei+",S,Lantern X,ZZ,,,2021-13-01", "\n", "shipped_on: write a date")
	}
}

// cutting is a way to a server that fails: one request with rows does not arrive, and the answer to a later one does not come back.
type cutting struct {
	*httptest.Server
	rows atomic.Int64
}

func cutTwice(t *testing.T, base string) *cutting {
	t.Helper()
	to, err := url.Parse(base)
	must(t, err)
	through := httputil.NewSingleHostReverseProxy(to)
	c := &cutting{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/rows") {
			switch c.rows.Add(1) {
			case 2:
				panic(http.ErrAbortHandler)
			case 3:
				through.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			}
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

// TestImportIsWhatTheFileSays: what is in the tables after an import that was cut short twice is what the file says, field by field, and the
// file of rejects has every line that was left out, by its number, once.
func TestImportIsWhatTheFileSays(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]string{"SQLite": "", "PostgreSQL": database(t)} {
		t.Run(name, func(t *testing.T) {
			var dir string
			s := serve(t, storyStart, func(c *app.Config) { c.Database, c.Unlimited, dir = database, true, c.Dir })
			_, password := s.officer(t, "ana", authority.RoleOfficer)
			token, _, err := s.Service.Login(t.Context(), "ana", password)
			must(t, err)
			way := cutTwice(t, s.base)
			p := produced(60_000)
			file, rejects := filepath.Join(t.TempDir(), "production.csv"), filepath.Join(t.TempDir(), "rejects.csv")
			must(t, os.WriteFile(file, p.text.Bytes(), 0o600))

			run := func() (int, string, string) {
				var stdout, stderr bytes.Buffer
				args := []string{"custody", "import", file, "--rejects", rejects, "--server", way.URL, "--token", token, "--json"}
				code := cli.Main(t.Context(), args, cli.Environment{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
					Getenv: func(string) string { return "" }, Now: time.Now})
				return code, stdout.String(), stderr.String()
			}
			for i := range 2 {
				if code, _, stderr := run(); code != 1 || !strings.Contains(stderr, "it goes on where it is") {
					t.Fatalf("cut short for the %d. time: %d, %s", i+1, code, stderr)
				}
			}
			code, stdout, stderr := run()
			var summary struct {
				Records, Rejected int
				Resumed           bool
			}
			if err := json.Unmarshal([]byte(stdout), &summary); code != 0 || err != nil || !summary.Resumed ||
				summary.Records != len(p.records) || summary.Rejected != len(p.bad) || way.rows.Load() < 5 {
				t.Errorf("%d, %s%s, %v; %d records, %d bad lines, %d requests", code, stdout, stderr, err, len(p.records), len(p.bad), way.rows.Load())
			}
			p.rejected(t, rejects)
			got := stored(t, dir, database)
			if len(got) != len(p.records) {
				t.Fatalf("%d records are stored, not %d", len(got), len(p.records))
			}
			for i := range got {
				if got[i] != p.records[i] {
					t.Fatalf("record %d (- file, + table):\n%s", i, gocmp.Diff(p.records[i], got[i]))
				}
			}
		})
	}
}

// rejected holds the file of rejects against the lines that are wrong.
func (p *production) rejected(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	must(t, err)
	if len(rows) != len(p.bad)+1 {
		t.Fatalf("%d lines were left out, not %d", len(rows)-1, len(p.bad))
	}
	for _, row := range rows[1:] {
		n, err := strconv.Atoi(row[0])
		if says := p.bad[n]; err != nil || says == "" || !strings.Contains(row[1], says) {
			t.Errorf("line %s was left out for %q, want %q", row[0], row[1], says)
		}
		delete(p.bad, n)
	}
}

// stored reads the tables themselves, past all that the product reads them with.
func stored(t *testing.T, dir, database string) (all []made) {
	t.Helper()
	const query = `SELECT p.imei, p.serial, l.model, l.market, l.consignment, l.consignee, l.shipped_on FROM production p JOIN lot l ON l.number = p.lot`
	scan := func(row interface{ Scan(...any) error }) error {
		var m made
		err := row.Scan(&m.IMEI, &m.Serial, &m.Model, &m.Market, &m.Consignment, &m.Consignee, &m.ShippedOn)
		all = append(all, m)
		return err
	}
	if database == "" {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, sqlite.FileName)+"?mode=ro")
		must(t, err)
		defer db.Close()
		rows, err := db.QueryContext(t.Context(), query)
		must(t, err)
		defer rows.Close()
		for rows.Next() {
			must(t, scan(rows))
		}
		must(t, rows.Err())
	} else {
		c, err := pgx.Connect(t.Context(), database)
		must(t, err)
		rows, err := c.Query(t.Context(), query)
		must(t, err)
		for rows.Next() {
			must(t, scan(rows))
		}
		must(t, errors.Join(rows.Err(), c.Close(context.Background())))
	}
	slices.SortFunc(all, func(a, b made) int { return cmp.Compare(a.IMEI, b.IMEI) })
	return all
}
