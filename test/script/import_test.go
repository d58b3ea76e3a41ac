package script

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bailiwick-dev/bailiwick/device"
)

// made N EACH FILE writes N production records, of which every EACH-th is faulty: its IMEI has the wrong check digit.
func made(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: made N EACH FILE")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	each, err := strconv.Atoi(args[1])
	ts.Check(err)
	var b strings.Builder
	b.WriteString("imei,serial,model,market,consignment,consignee,shipped_on\n")
	for i := 1; i <= n; i++ {
		body := fmt.Sprintf("35%012d", i)
		digit := device.CheckDigit(body)
		if i%each == 0 {
			digit = '0' + (digit-'0'+1)%10
		}
		fmt.Fprintf(&b, "%s%c,S%d,Lantern P,IN,SHIP-%03d,EXAMPLE-TRADING,2021-07-20\n", body, digit, i, i/5000)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(b.String()), 0o600))
}

// underway waits until the newest job has done something, and fails when it has done everything.
func underWay(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: underway")
	}
	poll(ts, func() error {
		ts.Check(ts.Exec("bailiwick", "job", "list", "--json"))
		var jobs []struct {
			State       string
			Done, Total int64
		}
		ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &jobs))
		switch {
		case len(jobs) == 0 || jobs[0].Done == 0:
			return errors.New("no job that has done anything")
		case jobs[0].State == "done":
			ts.Fatalf("the job is over: %+v", jobs[0])
		}
		return nil
	})
}

// rejected FILE EACH N wants a file of rejects to have N lines behind its heading, which say that every EACH-th record was left out, each once.
func rejected(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: rejected FILE EACH N")
	}
	each, err := strconv.Atoi(args[1])
	ts.Check(err)
	rows, err := csv.NewReader(strings.NewReader(ts.ReadFile(args[0]))).ReadAll()
	ts.Check(err)
	if got := strconv.Itoa(len(rows) - 1); got != args[2] {
		ts.Fatalf("%s lines were left out, want %s", got, args[2])
	}
	for i, row := range rows[1:] {
		if want := strconv.Itoa(1 + (i+1)*each); row[0] != want || !strings.Contains(row[1], "digit is mistyped") {
			ts.Fatalf("line %s was left out (%s), want line %s for its check digit", row[0], row[1], want)
		}
	}
}
