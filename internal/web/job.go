package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
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
	case authority.ReleaseJob, authority.CountJob, authority.NoticeJob:
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

// JobFigure is a figure of what has come of a job, for people.
type JobFigure struct {
	Name  string // what is counted: "Locks ordered"
	Value string // how many: "1,204"
}

// JobFigures is what has come of a job of a kind so far; nil when there is nothing yet, when the result is of another release, and for a simulation,
// which has tables of its own.
func JobFigures(kind string, result []byte) []JobFigure {
	switch kind {
	case authority.ReleaseJob:
		return figuresOf(result, func(r authority.Release) []JobFigure {
			return []JobFigure{{"Holds lifted", Number(r.Lifted)}, {"Devices that have not yet reported the lift", Number(r.Stragglers)}}
		})
	case authority.WaveJob:
		return figuresOf(result, func(r authority.WaveResult) []JobFigure {
			list := []JobFigure{{"Locks ordered", Number(r.Locked)}}
			for _, reason := range slices.Sorted(maps.Keys(r.Skipped)) {
				list = append(list, JobFigure{"Left alone when looked at again: " + strings.ReplaceAll(reason, "-", " "), Number(r.Skipped[reason])})
			}
			return list
		})
	case authority.ImportJob:
		return figuresOf(result, func(r authority.Imported) []JobFigure {
			return []JobFigure{{"Records written", Number(int(r.Records))}, {"Lines left out, which the file of rejects has", Number(int(r.Rejected))}}
		})
	case authority.CountJob: // its case shows the rest, by consignee and territory
		return figuresOf(result, func(r authority.CohortCount) []JobFigure {
			return []JobFigure{{"Phones produced", Number(r.Devices)}, {"Enrolled", Number(r.Enrolled)}, {"Never restricted by the case", Number(r.Observed)},
				{"Noticed", Number(r.Noticed)}, {"Locked", Number(r.Locked)}, {"Lifted", Number(r.Lifted)}}
		})
	case authority.NoticeJob:
		return figuresOf(result, func(r authority.Noticed) []JobFigure {
			return []JobFigure{{"Enrolled phones looked at", Number(r.Enrolled)}, {"Notices given", Number(r.Noticed)}, {"Told before, at a check-in", Number(r.Before)},
				{"Left for now: theirs comes at a check-in", Number(r.Left)}}
		})
	case authority.RetentionJob:
		return figuresOf(result, func(r authority.Forgotten) []JobFigure {
			return []JobFigure{{"Devices that lost days", Number(int(r.Devices))}, {"Settled orders forgotten", Number(int(r.Orders))}, {"Lines of time lines forgotten", Number(int(r.Events))},
				{"Owners' contacts forgotten", Number(int(r.Contacts))}, {"Finished jobs forgotten", Number(int(r.Jobs))}}
		})
	}
	return nil
}

// figuresOf reads a result, which must have no member that this release does not know: a figure that is not shown would be missed.
func figuresOf[T any](result []byte, figures func(T) []JobFigure) []JobFigure {
	if len(result) == 0 {
		return nil
	}
	var r T
	d := json.NewDecoder(bytes.NewReader(result))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return nil
	}
	return figures(r)
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

// JobAbout is what a job is about, for people: an import's file or a simulation's policy by its name, and not by a digest.
func JobAbout(j *authority.Job) string { return ShortSubject(j.About()) }

// ShortSubject is as much of a job's subject as tells it from others: the beginning of a digest.
func ShortSubject(subject string) string {
	if len(subject) == 64 {
		return subject[:12]
	}
	return subject
}
