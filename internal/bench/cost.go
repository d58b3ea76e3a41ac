package bench

import (
	"fmt"
	"io"
	"math"
)

// cost is what the arithmetic for large fleets begins with, from the rows of a report.
type cost struct {
	cpu, written           float64 // of a check-in: µs of processor, bytes to the disk
	record, recordPostgres float64 // of a device, bytes; 0 when not measured
}

// What fleets are assumed to do, on paper.
const (
	checkInsADay = 1.0
	peakFactor   = 2.0 // over the mean of the day: the schedule spreads devices evenly, an outage brings some at once
	used         = .60 // of the processors at that peak; p99 is measured there
	coresEach    = 4   // processors of one server
)

// costOf reads the costs off a report; false when the rows are not there.
func costOf(r *Report) (c cost, ok bool) {
	for i := range r.Rows {
		row := &r.Rows[i]
		if !row.Measured() {
			continue
		}
		switch row.Name {
		case "checkin_cpu_us":
			c.cpu = row.Value
		case "checkin_disk_bytes":
			c.written = row.Value
		case "record_bytes":
			c.record = row.Value
		case "record_bytes_postgres":
			c.recordPostgres = row.Value
		}
	}
	return c, c.cpu > 0 && c.written > 0 && c.record > 0
}

// write prints what 10⁷, 10⁸ and 10⁹ devices take, with the arithmetic.
func (c cost) write(w io.Writer) error {
	fmt.Fprintf(w, "\nOn paper: %g check-in a day and device, %g times the mean at the peak of the day, processors at %.0f %% then, servers of %d processors.\n",
		checkInsADay, peakFactor, 100*used, coresEach)
	fmt.Fprintf(w, "Check-ins a second = devices ÷ 86,400; processors = check-ins a second × %g × %s µs ÷ %.1f; records = devices × %s; written a day = devices × %s.\n\n",
		peakFactor, Figure(c.cpu), used, bytesText(c.recordBytes()), bytesText(c.written))
	fmt.Fprint(w, "| Devices | Check-ins a second | Processors | Servers | Records | Written a day | Written a second |\n|---|---|---|---|---|---|---|\n")
	for _, exponent := range []int{7, 8, 9} {
		n := math.Pow10(exponent)
		rate := n * checkInsADay / 86_400
		processors := rate * peakFactor * c.cpu / 1e6 / used
		if _, err := fmt.Fprintf(w, "| 10%s | %s | %s | %s | %s | %s | %s |\n", superscript(exponent), Figure(rate), Figure(processors),
			thousands(int64(math.Ceil(processors/coresEach))), bytesText(n*c.recordBytes()), bytesText(n*checkInsADay*c.written), bytesText(rate*c.written)); err != nil {
			return err
		}
	}
	return nil
}

// recordBytes is the larger of the two stores.
func (c cost) recordBytes() float64 { return max(c.record, c.recordPostgres) }

func superscript(n int) string { return string([]rune("⁰¹²³⁴⁵⁶⁷⁸⁹")[n]) }

// bytesText writes bytes in decimal units, as disks are sold.
func bytesText(b float64) string {
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB"} {
		if b < 1000 {
			return Figure(b) + " " + unit
		}
		b /= 1000
	}
	return Figure(b) + " PB"
}
