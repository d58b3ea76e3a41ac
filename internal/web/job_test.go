package web_test

import (
	"testing"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web"
)

func TestJobProgress(t *testing.T) {
	for _, c := range []struct {
		kind        string
		done, total int64
		left        time.Duration
		want        string
	}{
		{authority.ReleaseJob, 310_000, 1_000_000, 134 * time.Second, "310,000 of 1,000,000 devices, about 2 minutes left"},
		{authority.ReleaseJob, 0, 1, 0, "0 of 1 device"},
		{authority.NoticeJob, 11_000, 12_000, 3 * time.Second, "11,000 of 12,000 devices, less than a minute left"},
		{authority.ImportJob, 512, 20_118_948, 3 * time.Second, "512 B of 20.1 MB, less than a minute left"},
		{authority.SimulationJob, 128, 256, 119*time.Minute + 50*time.Second, "50 %, about 2 hours left"},
		{authority.WaveJob, 206, 206, 0, "100 %"},
		{authority.RetentionJob, 7, 0, 0, ""},
	} {
		if got := web.JobProgress(c.kind, c.done, c.total, c.left); got != c.want {
			t.Errorf("%s %d of %d: %q, want %q", c.kind, c.done, c.total, got, c.want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_999: "1.0 MB", 4_900_000: "4.9 MB", 8e15: "8000.0 TB"} {
		if got := web.Bytes(n); got != want {
			t.Errorf("%d bytes: %q, want %q", n, got, want)
		}
	}
}

func TestJobAbout(t *testing.T) {
	const digest = "d83e7ec7b87dfe9d6aa130726a3bd33d828db4320b8cadcade600858bb7a83fe"
	for want, j := range map[string]*authority.Job{
		"case-0001":  {Kind: authority.ReleaseJob, Subject: "case-0001"},
		"prod.csv":   {Kind: authority.ImportJob, Subject: digest, Arguments: []byte(`{"Name":"prod.csv"}`)},
		"terms.yaml": {Kind: authority.SimulationJob, Arguments: []byte(`{"name":"terms.yaml","source":"id: terms"}`)},
		digest[:12]:  {Kind: authority.ImportJob, Subject: digest, Arguments: []byte(`x`)},
	} {
		if got := web.JobAbout(j); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
