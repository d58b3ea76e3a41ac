package scale_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/custody"
	"github.com/bailiwick-dev/bailiwick/internal/scale"
)

// BenchmarkImport reads a file of 500,000 production records and puts them into SQLite, in the parts of `bailiwick custody import`.
func BenchmarkImport(b *testing.B) {
	const n = 500_000
	ctx := context.Background()
	var text bytes.Buffer
	fmt.Fprintln(&text, strings.Join(custody.Header, ","))
	for i := range n {
		p := scale.Production(i)
		fmt.Fprintf(&text, "%s,%s,%s,%s,%s,%s,%s\n", p.IMEI, p.Serial, p.Model, p.Market, p.Consignment, p.Consignee, p.ShippedOn)
	}
	for b.Loop() {
		b.StopTimer()
		s := service(b, onSQLite(b))
		b.StartTimer()
		sum := sha256.Sum256(text.Bytes())
		j, err := s.BeginImport(ctx, ada, authority.ImportFile{Name: "made.csv", SHA256: hex.EncodeToString(sum[:]), Size: int64(text.Len())})
		must(b, err)
		var place authority.ImportPlace
		must(b, custody.Scan(ctx, bytes.NewReader(text.Bytes()), func(block *custody.Block) error {
			rows := make([]authority.Production, len(block.Records))
			for i, r := range block.Records {
				rows[i] = authority.Production(r)
			}
			end := authority.ImportPlace(block.End)
			j, err = s.ImportRows(ctx, ada, j.ID, place, end, rows, len(block.Faults))
			place = end
			return err
		}))
		if j.State != authority.JobDone {
			b.Fatalf("%+v", j)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "rows/s")
}
