package evidence

import (
	"testing"

	"github.com/bailiwick-dev/bailiwick/internal/corpus"
)

func TestDocumentedKeys(t *testing.T) {
	corpus.CheckCDDL(t, "../docs/protocol.md", "evidence", wireClaims{})
	corpus.CheckCDDL(t, "../docs/protocol.md", "ground-state", wireGround{})
}
