-- Times are microseconds since 1970-01-01 UTC, NULL for none; days are whole days since then. Codes of stages, kinds and
-- causes are those of package order. A CHECK restates what package restriction and the Charter say, so that no code,
-- however wrong, can store a record that breaks it.

CREATE TABLE production (
    imei        TEXT    NOT NULL PRIMARY KEY CHECK (length(imei) = 15 AND imei NOT GLOB '*[^0-9]*'),
    serial      TEXT    NOT NULL,
    model       TEXT    NOT NULL,
    market      TEXT    NOT NULL,
    consignment TEXT    NOT NULL,
    consignee   TEXT    NOT NULL,
    shipped_on  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX production_consignment ON production (consignment, imei) WHERE consignment <> '';

-- place is the territory under which the device is counted: of activation or, before that, of the last decided day.
-- stage is the strictest of its restrictions that is not lifted; the triggers on restriction keep it.
CREATE TABLE device (
    number            INTEGER PRIMARY KEY,
    id                BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    imei              TEXT    NOT NULL UNIQUE CHECK (length(imei) = 15 AND imei NOT GLOB '*[^0-9]*'),
    serial            TEXT    NOT NULL,
    model             TEXT    NOT NULL,
    place             TEXT    NOT NULL,
    stage             INTEGER NOT NULL DEFAULT 0 CHECK (stage BETWEEN 0 AND 3),
    attestation_key   BLOB    NOT NULL CHECK (length(attestation_key) <= 2048),
    attestation       INTEGER NOT NULL CHECK (attestation BETWEEN 0 AND 3),
    key_ceiling       INTEGER NOT NULL CHECK (key_ceiling BETWEEN 0 AND 3),
    boot              INTEGER NOT NULL CHECK (boot BETWEEN 0 AND 3),
    software          TEXT    NOT NULL,
    sequence          INTEGER NOT NULL CHECK (sequence >= 0),
    enrolled_at       INTEGER,
    last_seen         INTEGER,
    days              BLOB    NOT NULL CHECK (length(days) <= 1024),
    activation        TEXT,
    activation_day    INTEGER,
    activation_mixed  INTEGER CHECK (activation_mixed IN (0, 1)),
    clock_doubt       INTEGER NOT NULL CHECK (clock_doubt IN (0, 1)),
    unlocks           INTEGER NOT NULL CHECK (unlocks >= 0),
    verdict           INTEGER NOT NULL CHECK (verdict BETWEEN 0 AND 2),
    verdict_rule      TEXT    NOT NULL,
    reasons           TEXT    NOT NULL,
    policy            BLOB    CHECK (length(policy) = 32),
    decided_at        INTEGER,
    licences          TEXT    NOT NULL,
    CHECK ((activation IS NULL) = (activation_day IS NULL) AND (activation IS NULL) = (activation_mixed IS NULL))
) STRICT;

CREATE INDEX device_place ON device (place, stage, id);
CREATE INDEX device_stage ON device (stage, id);
CREATE INDEX device_model ON device (model, id);

CREATE TABLE event (
    number      INTEGER PRIMARY KEY,
    device      BLOB    NOT NULL CHECK (length(device) = 16),
    at          INTEGER,
    kind        TEXT    NOT NULL CHECK (kind <> ''),
    ground_kind INTEGER NOT NULL CHECK (ground_kind BETWEEN 0 AND 2),
    ground      TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    detail      TEXT    NOT NULL
) STRICT;

CREATE INDEX event_device ON event (device);

CREATE TABLE wave (
    number     INTEGER PRIMARY KEY,
    created_at INTEGER,
    policy     BLOB    NOT NULL CHECK (length(policy) = 32),
    state      TEXT    NOT NULL CHECK (state IN ('open', 'approved', 'rejected')),
    decided_by TEXT    NOT NULL,
    decided_at INTEGER,
    note       TEXT    NOT NULL,
    size       INTEGER NOT NULL CHECK (size >= 0),
    CHECK ((state = 'open') = (decided_by = ''))
) STRICT;

CREATE UNIQUE INDEX wave_open ON wave (state) WHERE state = 'open';

CREATE TABLE restriction (
    device       BLOB    NOT NULL REFERENCES device (id),
    ground_kind  INTEGER NOT NULL CHECK (ground_kind IN (1, 2)),
    ground       TEXT    NOT NULL CHECK (length(ground) BETWEEN 1 AND 64),
    round        INTEGER NOT NULL CHECK (round >= 1),
    stage        INTEGER NOT NULL,
    territory    TEXT    NOT NULL,
    authority    BLOB    NOT NULL CHECK (length(authority) = 32),
    reference    TEXT    NOT NULL,
    noticed_at   INTEGER NOT NULL,
    deadline     INTEGER NOT NULL,
    shown_days   INTEGER NOT NULL CHECK (shown_days >= 0),
    wave         INTEGER REFERENCES wave (number),
    locked_at    INTEGER,
    effect_at    INTEGER,
    ends_at      INTEGER,
    lifted_at    INTEGER,
    cause        INTEGER NOT NULL,
    appealing    INTEGER NOT NULL CHECK (appealing IN (0, 1)),
    applied      INTEGER NOT NULL CHECK (applied BETWEEN 0 AND 3),
    applied_at   INTEGER,
    applied_note TEXT    NOT NULL,
    PRIMARY KEY (device, ground_kind, ground),
    CONSTRAINT stage_is_noticed_locked_or_lifted CHECK (stage IN (1, 2, 3)),
    CONSTRAINT notice_lasts_seven_days CHECK (deadline >= noticed_at + 604800000000),
    CONSTRAINT no_lock_before_the_deadline CHECK (effect_at IS NULL OR effect_at >= deadline),
    CONSTRAINT lock_has_its_times CHECK ((locked_at IS NULL) = (effect_at IS NULL) AND (locked_at IS NULL) = (ends_at IS NULL)),
    CONSTRAINT locked_has_its_times CHECK (stage <> 2 OR locked_at IS NOT NULL),
    CONSTRAINT noticed_has_no_lock CHECK (stage <> 1 OR locked_at IS NULL),
    CONSTRAINT lock_ends CHECK (ends_at IS NULL OR ends_at > effect_at),
    CONSTRAINT rule_lock_ends_within_730_days CHECK (ground_kind <> 1 OR ends_at IS NULL OR ends_at <= effect_at + 63072000000000),
    CONSTRAINT hold_ends_within_90_days CHECK (ground_kind <> 2 OR ends_at IS NULL OR ends_at <= effect_at + 7776000000000),
    CONSTRAINT lifted_has_time_and_cause CHECK ((stage = 3) = (lifted_at IS NOT NULL) AND (stage = 3) = (cause BETWEEN 1 AND 5)),
    CONSTRAINT cause_only_when_lifted CHECK (stage = 3 OR cause = 0),
    CONSTRAINT nothing_to_appeal_when_lifted CHECK (stage <> 3 OR appealing = 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX restriction_ground ON restriction (ground_kind, ground, device);
CREATE INDEX restriction_wave ON restriction (wave) WHERE wave IS NOT NULL;

CREATE TRIGGER restriction_steps BEFORE UPDATE OF stage ON restriction
WHEN NOT (OLD.stage = 1 AND NEW.stage = 2 AND OLD.appealing = 0
    OR OLD.stage IN (1, 2) AND NEW.stage = 3
    OR OLD.stage = 3 AND NEW.stage = 1 AND OLD.cause NOT IN (2, 3, 5) AND NEW.round = OLD.round + 1)
BEGIN SELECT RAISE(ABORT, 'restriction: stages go noticed, locked, lifted; no lock while appealing; a final lift is final'); END;

CREATE TRIGGER restriction_deadline BEFORE UPDATE OF deadline ON restriction
WHEN NEW.round = OLD.round AND NEW.deadline < OLD.deadline
BEGIN SELECT RAISE(ABORT, 'restriction: a date once told never moves earlier'); END;

CREATE TRIGGER restriction_noticed AFTER INSERT ON restriction
BEGIN
    UPDATE device SET stage = (SELECT coalesce(max(stage) FILTER (WHERE stage < 3), 3) FROM restriction WHERE device = NEW.device)
    WHERE id = NEW.device;
END;

CREATE TRIGGER restriction_moved AFTER UPDATE OF stage ON restriction
BEGIN
    UPDATE device SET stage = (SELECT coalesce(max(stage) FILTER (WHERE stage < 3), 3) FROM restriction WHERE device = NEW.device)
    WHERE id = NEW.device;
END;

CREATE TABLE orders (
    number       INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL UNIQUE CHECK (length(id) = 32),
    device       BLOB    NOT NULL REFERENCES device (id),
    leaf         BLOB    NOT NULL CHECK (length(leaf) BETWEEN 1 AND 512),
    salt         BLOB    NOT NULL CHECK (length(salt) = 32),
    kind         INTEGER NOT NULL CHECK (kind IN (1, 2, 3)),
    ground_kind  INTEGER NOT NULL CHECK (ground_kind IN (1, 2)),
    ground       TEXT    NOT NULL CHECK (length(ground) BETWEEN 1 AND 64),
    issued_at    INTEGER NOT NULL,
    leaf_index   INTEGER CHECK (leaf_index >= 0),
    delivered_at INTEGER,
    settled      INTEGER NOT NULL CHECK (settled IN (0, 1)),
    refusal      TEXT    NOT NULL,
    CONSTRAINT refused_is_settled CHECK (refusal = '' OR settled = 1),
    CONSTRAINT delivered_is_in_the_ledger CHECK (delivered_at IS NULL OR leaf_index IS NOT NULL)
) STRICT;

CREATE INDEX orders_device ON orders (device, issued_at);
CREATE INDEX orders_pending ON orders (issued_at) WHERE leaf_index IS NULL;
CREATE INDEX orders_unsettled ON orders (ground_kind, ground) WHERE settled = 0;
CREATE UNIQUE INDEX orders_leaf_index ON orders (leaf_index) WHERE leaf_index IS NOT NULL;

CREATE TABLE cases (
    id           TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    title        TEXT    NOT NULL,
    consignment  TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('open', 'holding', 'concluded')),
    opened_by    TEXT    NOT NULL,
    opened_at    INTEGER NOT NULL,
    finding      TEXT    NOT NULL,
    concluded_by TEXT    NOT NULL,
    concluded_at INTEGER,
    CONSTRAINT concluded_by_somebody CHECK ((state = 'concluded') = (concluded_by <> '') AND (state = 'concluded') = (concluded_at IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE warrant (
    id               TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    case_id          TEXT    NOT NULL REFERENCES cases (id),
    reason           TEXT    NOT NULL CHECK (length(reason) <= 500),
    drafted_by       TEXT    NOT NULL CHECK (drafted_by <> ''),
    drafted_at       INTEGER NOT NULL,
    countersign_by   TEXT    CHECK (countersign_by <> ''),
    countersign_at   INTEGER,
    ends_at          INTEGER NOT NULL,
    hash             BLOB    UNIQUE CHECK (length(hash) = 32),
    document         BLOB    NOT NULL,
    devices_at_issue INTEGER NOT NULL CHECK (devices_at_issue >= 0),
    CONSTRAINT two_different_officers CHECK (countersign_by <> drafted_by),
    CONSTRAINT countersigned_whole CHECK ((countersign_by IS NULL) = (countersign_at IS NULL) AND (countersign_by IS NULL) = (hash IS NULL)),
    CONSTRAINT countersigned_has_its_document CHECK (countersign_by IS NULL OR length(document) > 0),
    CONSTRAINT hold_ends CHECK (ends_at > coalesce(countersign_at, drafted_at)),
    CONSTRAINT hold_ends_within_90_days CHECK (countersign_at IS NULL OR ends_at <= countersign_at + 7776000000000)
) STRICT, WITHOUT ROWID;

CREATE INDEX warrant_case ON warrant (case_id);

CREATE TABLE appeal (
    number      INTEGER PRIMARY KEY,
    device      BLOB    NOT NULL REFERENCES device (id),
    ground_kind INTEGER NOT NULL CHECK (ground_kind IN (1, 2)),
    ground      TEXT    NOT NULL CHECK (length(ground) BETWEEN 1 AND 64),
    words       TEXT    NOT NULL CHECK (length(words) <= 2000),
    contact     TEXT    NOT NULL CHECK (length(contact) <= 200),
    opened_at   INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('open', 'granted', 'denied')),
    answered_by TEXT    NOT NULL,
    answered_at INTEGER,
    answer      TEXT    NOT NULL,
    CONSTRAINT due_after_opened CHECK (due_at > opened_at),
    CONSTRAINT answered_by_a_human CHECK ((state = 'open') = (answered_by = '') AND (state = 'open') = (answered_at IS NULL))
) STRICT;

CREATE UNIQUE INDEX appeal_open ON appeal (device, ground_kind, ground) WHERE state = 'open';
CREATE INDEX appeal_due ON appeal (state, due_at);
CREATE INDEX appeal_device ON appeal (device);

CREATE TABLE policy (
    number      INTEGER PRIMARY KEY,
    hash        BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    name        TEXT    NOT NULL,
    source      BLOB    NOT NULL CHECK (length(source) BETWEEN 1 AND 4194304),
    activate_at INTEGER NOT NULL,
    published_by TEXT   NOT NULL
) STRICT;

CREATE INDEX policy_activate ON policy (activate_at);

CREATE TABLE series (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL CHECK (value >= 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE officer (
    name          TEXT    NOT NULL PRIMARY KEY CHECK (name <> ''),
    role          TEXT    NOT NULL CHECK (role IN ('admin', 'officer', 'support')),
    password_hash BLOB    NOT NULL,
    must_change   INTEGER NOT NULL CHECK (must_change IN (0, 1)),
    created_at    INTEGER,
    disabled_at   INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    token_hash BLOB    NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    officer    TEXT    NOT NULL REFERENCES officer (name),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    CONSTRAINT session_ends CHECK (expires_at > created_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX session_expires ON session (expires_at);
