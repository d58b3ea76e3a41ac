package authority

import (
	"context"
	"errors"
	"fmt"

	"github.com/bailiwick-dev/bailiwick/device"
)

// maxImportRows bounds what one call of ImportRows writes, in one transaction: others wait for no longer than that takes.
const maxImportRows = 50_000

// ImportPlace is how far a file has been imported: behind so many bytes and lines of it.
type ImportPlace struct {
	Offset int64 `json:"offset"`
	Line   int   `json:"line"`
}

// Imported is what has come of an import: the Result of an ImportJob.
type Imported struct {
	Name     string `json:"name"`
	Records  int64  `json:"records"`
	Rejected int64  `json:"rejected"` // lines left out, which whoever has the file keeps aside
}

// ImportFile names a file of production records.
type ImportFile struct {
	Name   string
	SHA256 string // hexadecimal
	Size   int64  // bytes
}

// BeginImport begins the import of a file, or finds the one that was cut short: then its Cursor, an ImportPlace, says where to go on.
// Whoever has the file brings its rows with ImportRows, in order.
func (s *Service) BeginImport(ctx context.Context, actor *Officer, f ImportFile) (j *Job, err error) {
	if err := allow(actor, MayImport); err != nil {
		return nil, err
	}
	if f.Name, err = line("name", f.Name, 1, 200); err != nil {
		return nil, err
	}
	if len(f.SHA256) != 64 || f.Size < 1 {
		return nil, ErrInvalid.saying("a file has a SHA-256, of 64 hexadecimal digits, and a size")
	}
	now := s.now()
	return j, s.update(ctx, func(tx Tx) error {
		j, err = tx.LastJob(ImportJob, f.SHA256, "")
		if none, err := absent(err); err != nil || !none && !j.State.Finished() {
			return err
		}
		if j, err = newJob(ImportJob, f.SHA256, actor.Name, now, f); err != nil {
			return err
		}
		j.Total = f.Size
		return begin(tx, j)
	})
}

// ImportRows adds or replaces production records, those of an import's file between two places; rejected are lines that were left out. The rows
// and how far the file has come are written together: after a crash, of whichever side, BeginImport tells where to go on. ErrChanged
// when the import has not come to from.
func (s *Service) ImportRows(ctx context.Context, actor *Officer, id int64, from, to ImportPlace, rows []Production, rejected int) (*Job, error) {
	if err := allow(actor, MayImport); err != nil {
		return nil, err
	}
	if len(rows) > maxImportRows {
		return nil, ErrInvalid.saying("at most %d rows are imported at once, not %d", maxImportRows, len(rows))
	}
	for i, row := range rows {
		if imei, err := device.ParseIMEI(string(row.IMEI)); err != nil || imei != row.IMEI || !row.Market.Valid() {
			return nil, ErrInvalid.saying("row %d has no valid IMEI or market", i+1)
		}
	}
	now := s.now()
	done := false
	err := s.update(WithManyWrites(ctx), func(tx Tx) error {
		j, err := tx.Job(id)
		if err != nil {
			return err
		}
		var place ImportPlace
		var f ImportFile
		result := Imported{}
		if err := unpack(j, &f, &place, &result); err != nil {
			return err
		}
		switch {
		case j.Kind != ImportJob:
			return ErrInvalid.saying("job %d is no import", id)
		case j.State.Finished() || place != from:
			return ErrChanged.saying("the import has come to byte %d", place.Offset).fixing("begin it again: it goes on where it is")
		case to.Offset <= from.Offset || to.Offset > j.Total || to.Line < from.Line || rejected < 0:
			return ErrInvalid.saying("an import goes forward, to the end of its file at most")
		}
		if err := tx.PutProduction(rows); err != nil {
			return err
		}
		result.Name = f.Name
		result.Records, result.Rejected = result.Records+int64(len(rows)), result.Rejected+int64(rejected)
		j.Done = to.Offset
		if done = j.Done == j.Total; done {
			j.State = JobDone
			detail := fmt.Sprintf("%d production records were imported.", result.Records)
			if err := tx.AddEvent(Event{At: now, Kind: "import", Actor: actor.Name, Detail: detail}); err != nil {
				return err
			}
		}
		return advance(tx, now, j, to, result)
	})
	if err != nil && !errors.Is(err, ErrChanged) {
		return nil, err
	}
	if done && err == nil {
		s.counters.jobs.WithLabelValues(ImportJob, string(JobDone)).Inc()
	}
	j, e := s.Job(ctx, id)
	return j, errors.Join(err, e)
}
