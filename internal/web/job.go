package web

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
)

// JobProgress says how far a job of a kind is, for people: "310,000 of 1,000,000 devices, about 2 minutes left". What a wave and a simulation
// count is steps of theirs, which mean nothing to anybody else: of these it is the share. Empty where there is no total.
func JobProgress(kind string, done, total int64, left time.Duration) string {
	if total <= 0 {
		return ""
	}
	var text string
	switch kind {
	case authority.ReleaseJob, authority.CountJob:
		text = Number(int(done)) + " of " + Count(int(total), "device", "devices")
	case authority.ImportJob:
		text = Bytes(done) + " of " + Bytes(total)
	default:
		text = fmt.Sprintf("%d %%", 100*done/total)
	}
	switch {
	case left >= time.Minute:
		text += ", about " + span(left.Round(time.Minute)) + " left"
	case left > 0:
		text += ", less than a minute left"
	}
	return text
}

// Bytes writes a size: "512 B", "20.1 MB".
func Bytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB"} {
		if value /= 1000; value < 999.95 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

// JobAbout is what a job is about, for people: an import's file by its name, and not by its digest.
func JobAbout(j *authority.Job) string {
	if j.Kind != authority.ImportJob {
		return j.Subject
	}
	var f authority.ImportFile
	if err := json.Unmarshal(j.Arguments, &f); err != nil || f.Name == "" {
		return ShortSubject(j.Subject)
	}
	return f.Name
}

// ShortSubject is as much of a job's subject as tells it from others: the beginning of a digest.
func ShortSubject(subject string) string {
	if len(subject) == 64 {
		return subject[:12]
	}
	return subject
}
