-- A device takes a third of the room. Its row is keyed by the first 8 bytes of its id as a number (package record), so that the order of
-- rows is the order in which devices check in; what no index needs is one blob; what many share is a number of a dictionary. compact.go
-- fills these tables from those of the steps before, and drops those.

DROP TRIGGER restriction_steps;
DROP TRIGGER restriction_deadline;
DROP TRIGGER restriction_noticed;
DROP TRIGGER restriction_moved;
DROP INDEX production_consignment;
DROP INDEX restriction_active;
DROP INDEX restriction_wave;
DROP INDEX orders_device;
DROP INDEX orders_pending;
DROP INDEX orders_unsettled;
DROP INDEX orders_leaf_index;
DROP INDEX appeal_open;
DROP INDEX appeal_due;
DROP INDEX appeal_device;
ALTER TABLE production RENAME TO production_4;
ALTER TABLE device RENAME TO device_4;
ALTER TABLE restriction RENAME TO restriction_4;
ALTER TABLE orders RENAME TO orders_4;
ALTER TABLE appeal RENAME TO appeal_4;

-- The dictionaries. Their numbers are never used again, and 0 stands for nothing.
CREATE TABLE model (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name   TEXT NOT NULL UNIQUE CHECK (name <> '')
) STRICT;

-- body says what was decided, as package record writes it; hash is its SHA-256.
CREATE TABLE finding (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    hash   BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    body   BLOB NOT NULL CHECK (length(body) <= 6144)
) STRICT;

CREATE TABLE lot (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    model       TEXT    NOT NULL,
    market      TEXT    NOT NULL,
    consignment TEXT    NOT NULL,
    consignee   TEXT    NOT NULL,
    shipped_on  INTEGER NOT NULL,
    UNIQUE (consignment, model, market, consignee, shipped_on)
) STRICT;

-- IMEIs are numbers without their check digit.
CREATE TABLE production (
    imei   INTEGER PRIMARY KEY CHECK (imei BETWEEN 0 AND 99999999999999),
    serial TEXT    NOT NULL,
    lot    INTEGER NOT NULL REFERENCES lot (number)
) STRICT;

CREATE INDEX production_lot ON production (lot);

-- place is the territory under which the device is counted: of activation or, before that, of the last decided day.
-- stage is the strictest of its restrictions that is not lifted; the triggers on restriction keep it.
-- lot is the one of its production record, 0 without one.
-- revision grows with each change of the row, of the device's restrictions, and with each new order for it: who has read all these and
-- finds it the same has seen no other transaction come between.
CREATE TABLE device (
    number   INTEGER PRIMARY KEY,
    rest     BLOB    NOT NULL CHECK (length(rest) = 8),
    imei     INTEGER NOT NULL UNIQUE CHECK (imei BETWEEN 0 AND 99999999999999),
    place    TEXT    NOT NULL,
    stage    INTEGER NOT NULL DEFAULT 0 CHECK (stage BETWEEN 0 AND 3),
    lot      INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 1 CHECK (revision >= 1),
    record   BLOB    NOT NULL CHECK (length(record) BETWEEN 9 AND 6144)
) STRICT;

-- How many devices there are by place and stage.
CREATE TABLE population (
    place   TEXT    NOT NULL,
    stage   INTEGER NOT NULL,
    devices INTEGER NOT NULL CHECK (devices >= 0),
    PRIMARY KEY (place, stage)
) STRICT, WITHOUT ROWID;

-- A new device is counted by whoever inserts it: with a trigger SQLite would keep a journal of each such statement, which inside a
-- large savepoint takes longer with each.
CREATE TRIGGER device_moved AFTER UPDATE OF place, stage ON device WHEN NEW.place <> OLD.place OR NEW.stage <> OLD.stage
BEGIN
    UPDATE population SET devices = devices - 1 WHERE place = OLD.place AND stage = OLD.stage;
    INSERT INTO population VALUES (NEW.place, NEW.stage, 1) ON CONFLICT (place, stage) DO UPDATE SET devices = devices + 1;
END;

CREATE TRIGGER device_gone AFTER DELETE ON device
BEGIN
    UPDATE population SET devices = devices - 1 WHERE place = OLD.place AND stage = OLD.stage;
END;

CREATE TABLE restriction (
    device       INTEGER NOT NULL REFERENCES device (number),
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

CREATE TABLE orders (
    number       INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL UNIQUE CHECK (length(id) = 32),
    device       INTEGER NOT NULL REFERENCES device (number),
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

CREATE TABLE appeal (
    number       INTEGER PRIMARY KEY,
    device       INTEGER NOT NULL REFERENCES device (number),
    ground_kind  INTEGER NOT NULL CHECK (ground_kind IN (1, 2)),
    ground       TEXT    NOT NULL CHECK (length(ground) BETWEEN 1 AND 64),
    words        TEXT    NOT NULL CHECK (length(words) <= 2000),
    contact      TEXT    NOT NULL CHECK (length(contact) <= 200),
    opened_at    INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('open', 'granted', 'denied')),
    answered_by  TEXT    NOT NULL,
    answered_at  INTEGER,
    answer       TEXT    NOT NULL,
    stopped_lock INTEGER NOT NULL DEFAULT 0 CHECK (stopped_lock IN (0, 1)),
    CONSTRAINT due_after_opened CHECK (due_at > opened_at),
    CONSTRAINT answered_by_a_human CHECK ((state = 'open') = (answered_by = '') AND (state = 'open') = (answered_at IS NULL))
) STRICT;
