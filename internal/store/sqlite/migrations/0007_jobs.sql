-- Long work: steps, each a transaction that does something and moves the cursor.
CREATE TABLE job (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT    NOT NULL CHECK (kind <> ''),
    subject     TEXT    NOT NULL,
    arguments   BLOB    NOT NULL CHECK (length(arguments) <= 4194304),
    cursor      BLOB    NOT NULL CHECK (length(cursor) <= 65536),
    result      BLOB    NOT NULL CHECK (length(result) <= 1048576),
    done        INTEGER NOT NULL CHECK (done >= 0),
    total       INTEGER NOT NULL CHECK (total >= done),
    step        INTEGER NOT NULL CHECK (step >= 0),
    state       TEXT    NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    fault       TEXT    NOT NULL,
    asked_by    TEXT    NOT NULL CHECK (asked_by <> ''),
    created_at  INTEGER,
    started_at  INTEGER,
    updated_at  INTEGER,
    finished_at INTEGER,
    CONSTRAINT finished_has_an_end CHECK ((state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX job_subject ON job (kind, subject) WHERE finished_at IS NULL AND subject <> '';
CREATE INDEX job_unfinished ON job (number) WHERE finished_at IS NULL;

-- Who has not confirmed a lift is listed page by page.
DROP INDEX orders_unsettled;
CREATE INDEX orders_unsettled ON orders (ground_kind, ground, device) WHERE settled = 0;
