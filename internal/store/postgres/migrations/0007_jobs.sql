-- Long work: steps, each a transaction that does something and moves the cursor.
CREATE TABLE job (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text   NOT NULL CHECK (kind <> ''),
    subject     text   NOT NULL,
    arguments   bytea  NOT NULL CHECK (length(arguments) <= 4194304),
    cursor      bytea  NOT NULL CHECK (length(cursor) <= 65536),
    result      bytea  NOT NULL CHECK (length(result) <= 1048576),
    done        bigint NOT NULL CHECK (done >= 0),
    total       bigint NOT NULL CHECK (total >= done),
    step        bigint NOT NULL CHECK (step >= 0),
    state       text   NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    fault       text   NOT NULL,
    asked_by    text   NOT NULL CHECK (asked_by <> ''),
    created_at  bigint,
    started_at  bigint,
    updated_at  bigint,
    finished_at bigint,
    CONSTRAINT finished_has_an_end CHECK ((state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
);

CREATE UNIQUE INDEX job_subject ON job (kind, subject) WHERE finished_at IS NULL AND subject <> '';
CREATE INDEX job_unfinished ON job (number) WHERE finished_at IS NULL;

-- Who has not confirmed a lift is listed page by page; so is a wave.
DROP INDEX orders_unsettled;
CREATE INDEX orders_unsettled ON orders (ground_kind, ground, device) WHERE NOT settled;
DROP INDEX restriction_wave;
CREATE INDEX restriction_wave ON restriction (wave, device, ground_kind, ground) WHERE wave IS NOT NULL;
