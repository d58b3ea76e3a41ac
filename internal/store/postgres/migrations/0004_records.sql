-- The records as the SQLite store has them after its step 4: step numbers are the same on both engines, and this is the first one here.
-- Times are microseconds since 1970-01-01 UTC, NULL for none (to_timestamp(x / 1e6) shows one); days are whole days since then. Codes of
-- stages, kinds and causes are those of package order. A CHECK restates what package restriction and the Charter say, so that no code,
-- however wrong, can store a record that breaks it.
--
-- What grows with the fleet and changes at check-ins is keyed by the device first, so that it can be spread by the hash of the device.

CREATE TABLE production (
    imei        text    NOT NULL PRIMARY KEY CHECK (imei ~ '^[0-9]{15}$'),
    serial      text    NOT NULL,
    model       text    NOT NULL,
    market      text    NOT NULL,
    consignment text    NOT NULL,
    consignee   text    NOT NULL,
    shipped_on  integer NOT NULL
);

CREATE INDEX production_consignment ON production (consignment, imei) WHERE consignment <> '';

-- place is the territory under which the device is counted: of activation or, before that, of the last decided day.
-- stage is the strictest of its restrictions that is not lifted; the triggers on restriction keep it.
-- Room is left on each page, so that a check-in writes its new row beside the old one and touches no index.
CREATE TABLE device (
    id                bytea    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    sequence          bigint   NOT NULL CHECK (sequence >= 0),
    unlocks           bigint   NOT NULL CHECK (unlocks >= 0),
    enrolled_at       bigint,
    last_seen         bigint,
    decided_at        bigint,
    activation_day    integer,
    stage             smallint NOT NULL DEFAULT 0 CHECK (stage BETWEEN 0 AND 3),
    attestation       smallint NOT NULL CHECK (attestation BETWEEN 0 AND 3),
    key_ceiling       smallint NOT NULL CHECK (key_ceiling BETWEEN 0 AND 3),
    boot              smallint NOT NULL CHECK (boot BETWEEN 0 AND 3),
    verdict           smallint NOT NULL CHECK (verdict BETWEEN 0 AND 2),
    clock_doubt       boolean  NOT NULL,
    activation_mixed  boolean,
    imei              text     NOT NULL UNIQUE CHECK (imei ~ '^[0-9]{15}$'),
    serial            text     NOT NULL,
    model             text     NOT NULL,
    place             text     NOT NULL,
    attestation_key   bytea    NOT NULL CHECK (length(attestation_key) <= 2048),
    software          text     NOT NULL,
    days              bytea    NOT NULL CHECK (length(days) <= 1024),
    activation        text,
    verdict_rule      text     NOT NULL,
    reasons           text     NOT NULL,
    policy            bytea    CHECK (length(policy) = 32),
    licences          text     NOT NULL,
    CHECK ((activation IS NULL) = (activation_day IS NULL) AND (activation IS NULL) = (activation_mixed IS NULL))
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX device_place ON device (place, stage, id);
CREATE INDEX device_stage ON device (stage, id);
CREATE INDEX device_model ON device (model, id);

CREATE TABLE event (
    device      bytea    NOT NULL CHECK (length(device) = 16),
    number      bigint   GENERATED ALWAYS AS IDENTITY,
    at          bigint,
    ground_kind smallint NOT NULL CHECK (ground_kind BETWEEN 0 AND 2),
    kind        text     NOT NULL CHECK (kind <> ''),
    ground      text     NOT NULL,
    actor       text     NOT NULL,
    detail      text     NOT NULL,
    PRIMARY KEY (device, number)
);

CREATE INDEX event_number ON event (number);

CREATE TABLE wave (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at bigint,
    policy     bytea  NOT NULL CHECK (length(policy) = 32),
    state      text   NOT NULL CHECK (state IN ('open', 'approved', 'rejected')),
    decided_by text   NOT NULL,
    decided_at bigint,
    note       text   NOT NULL,
    size       bigint NOT NULL CHECK (size >= 0),
    CHECK ((state = 'open') = (decided_by = ''))
);

CREATE UNIQUE INDEX wave_open ON wave (state) WHERE state = 'open';

CREATE TABLE restriction (
    device       bytea    NOT NULL REFERENCES device (id),
    ground_kind  smallint NOT NULL CHECK (ground_kind IN (1, 2)),
    ground       text     COLLATE "C" NOT NULL CHECK (length(ground) BETWEEN 1 AND 64),
    round        bigint   NOT NULL CHECK (round >= 1),
    stage        smallint NOT NULL,
    territory    text     NOT NULL,
    authority    bytea    NOT NULL CHECK (length(authority) = 32),
    reference    text     NOT NULL,
    noticed_at   bigint   NOT NULL,
    deadline     bigint   NOT NULL,
    shown_days   bigint   NOT NULL CHECK (shown_days >= 0),
    wave         bigint   REFERENCES wave (number),
    locked_at    bigint,
    effect_at    bigint,
    ends_at      bigint,
    lifted_at    bigint,
    cause        smallint NOT NULL,
    appealing    boolean  NOT NULL,
    applied      smallint NOT NULL CHECK (applied BETWEEN 0 AND 3),
    applied_at   bigint,
    applied_note text     NOT NULL,
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
    CONSTRAINT nothing_to_appeal_when_lifted CHECK (stage <> 3 OR NOT appealing)
);

-- A sweep and a release look at what is noticed or locked; what was lifted stays for good and is not read again.
CREATE INDEX restriction_active ON restriction (ground_kind, ground, device) WHERE stage IN (1, 2);
CREATE INDEX restriction_wave ON restriction (wave) WHERE wave IS NOT NULL;

-- An appeal takes back a lock that does not hold yet: the one way from locked to noticed.
CREATE FUNCTION restriction_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.stage <> OLD.stage AND NOT (OLD.stage = 1 AND NEW.stage = 2 AND NOT OLD.appealing
        OR OLD.stage = 2 AND NEW.stage = 1 AND NOT OLD.appealing AND NEW.appealing AND OLD.applied <> 2
            AND NEW.deadline > OLD.effect_at AND NEW.round = OLD.round
        OR OLD.stage IN (1, 2) AND NEW.stage = 3
        OR OLD.stage = 3 AND NEW.stage = 1 AND OLD.cause NOT IN (2, 3, 5) AND NEW.round = OLD.round + 1) THEN
        RAISE EXCEPTION 'restriction: stages go noticed, locked, lifted, and back only by an appeal; no lock while appealing; a final lift is final'
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.round = OLD.round AND NEW.deadline < OLD.deadline THEN
        RAISE EXCEPTION 'restriction: a date once told never moves earlier' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER restriction_steps BEFORE UPDATE ON restriction FOR EACH ROW EXECUTE FUNCTION restriction_steps();

CREATE FUNCTION restriction_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device SET stage = (SELECT coalesce(max(r.stage) FILTER (WHERE r.stage < 3), 3) FROM restriction r WHERE r.device = NEW.device)
        WHERE id = NEW.device;
    RETURN NULL;
END $$;

CREATE TRIGGER restriction_noticed AFTER INSERT ON restriction FOR EACH ROW EXECUTE FUNCTION restriction_counts();
CREATE TRIGGER restriction_moved AFTER UPDATE OF stage ON restriction FOR EACH ROW EXECUTE FUNCTION restriction_counts();

CREATE TABLE orders (
    device       bytea    NOT NULL REFERENCES device (id),
    number       bigint   GENERATED ALWAYS AS IDENTITY,
    issued_at    bigint   NOT NULL,
    leaf_index   bigint   CHECK (leaf_index >= 0),
    delivered_at bigint,
    kind         smallint NOT NULL CHECK (kind IN (1, 2, 3)),
    ground_kind  smallint NOT NULL CHECK (ground_kind IN (1, 2)),
    settled      boolean  NOT NULL,
    id           bytea    NOT NULL UNIQUE CHECK (length(id) = 32),
    leaf         bytea    NOT NULL CHECK (length(leaf) BETWEEN 1 AND 512),
    salt         bytea    NOT NULL CHECK (length(salt) = 32),
    ground       text     COLLATE "C" NOT NULL CHECK (length(ground) BETWEEN 1 AND 64),
    refusal      text     NOT NULL,
    PRIMARY KEY (device, number),
    CONSTRAINT refused_is_settled CHECK (refusal = '' OR settled),
    CONSTRAINT delivered_is_in_the_ledger CHECK (delivered_at IS NULL OR leaf_index IS NOT NULL)
);

CREATE INDEX orders_pending ON orders (issued_at, number) WHERE leaf_index IS NULL;
CREATE INDEX orders_unsettled ON orders (ground_kind, ground) WHERE NOT settled;
CREATE UNIQUE INDEX orders_leaf_index ON orders (leaf_index) WHERE leaf_index IS NOT NULL;

CREATE TABLE cases (
    id           text   COLLATE "C" NOT NULL PRIMARY KEY CHECK (id <> ''),
    title        text   NOT NULL,
    consignment  text   NOT NULL,
    state        text   NOT NULL CHECK (state IN ('open', 'holding', 'concluded')),
    opened_by    text   NOT NULL,
    opened_at    bigint NOT NULL,
    finding      text   NOT NULL,
    concluded_by text   NOT NULL,
    concluded_at bigint,
    CONSTRAINT concluded_by_somebody CHECK ((state = 'concluded') = (concluded_by <> '') AND (state = 'concluded') = (concluded_at IS NOT NULL))
);

CREATE TABLE warrant (
    id               text   COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    case_id          text   COLLATE "C" NOT NULL REFERENCES cases (id),
    reason           text   NOT NULL CHECK (length(reason) <= 500),
    drafted_by       text   NOT NULL CHECK (drafted_by <> ''),
    drafted_at       bigint NOT NULL,
    countersign_by   text   CHECK (countersign_by <> ''),
    countersign_at   bigint,
    ends_at          bigint NOT NULL,
    hash             bytea  UNIQUE CHECK (length(hash) = 32),
    document         bytea  NOT NULL,
    devices_at_issue bigint NOT NULL CHECK (devices_at_issue >= 0),
    signers          text   NOT NULL DEFAULT '',
    CONSTRAINT two_different_officers CHECK (countersign_by <> drafted_by),
    CONSTRAINT countersigned_whole CHECK ((countersign_by IS NULL) = (countersign_at IS NULL) AND (countersign_by IS NULL) = (hash IS NULL)),
    CONSTRAINT countersigned_has_its_document CHECK (countersign_by IS NULL OR length(document) > 0),
    CONSTRAINT hold_ends CHECK (ends_at > coalesce(countersign_at, drafted_at)),
    CONSTRAINT hold_ends_within_90_days CHECK (countersign_at IS NULL OR ends_at <= countersign_at + 7776000000000)
);

CREATE INDEX warrant_case ON warrant (case_id);

CREATE TABLE appeal (
    number       bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device       bytea    NOT NULL REFERENCES device (id),
    ground_kind  smallint NOT NULL CHECK (ground_kind IN (1, 2)),
    ground       text     COLLATE "C" NOT NULL CHECK (length(ground) BETWEEN 1 AND 64),
    words        text     NOT NULL CHECK (length(words) <= 2000),
    contact      text     NOT NULL CHECK (length(contact) <= 200),
    opened_at    bigint   NOT NULL,
    due_at       bigint   NOT NULL,
    state        text     NOT NULL CHECK (state IN ('open', 'granted', 'denied')),
    answered_by  text     NOT NULL,
    answered_at  bigint,
    answer       text     NOT NULL,
    stopped_lock boolean  NOT NULL,
    CONSTRAINT due_after_opened CHECK (due_at > opened_at),
    CONSTRAINT answered_by_a_human CHECK ((state = 'open') = (answered_by = '') AND (state = 'open') = (answered_at IS NULL))
);

CREATE UNIQUE INDEX appeal_open ON appeal (device, ground_kind, ground) WHERE state = 'open';
CREATE INDEX appeal_due ON appeal (state, due_at);
CREATE INDEX appeal_device ON appeal (device);

CREATE TABLE policy (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash         bytea  NOT NULL UNIQUE CHECK (length(hash) = 32),
    name         text   NOT NULL,
    source       bytea  NOT NULL CHECK (length(source) BETWEEN 1 AND 4194304),
    activate_at  bigint NOT NULL,
    published_by text   NOT NULL,
    published_at bigint,
    signers      text   NOT NULL DEFAULT '',
    version      bigint NOT NULL DEFAULT 0 CHECK (version >= 0)
);

CREATE INDEX policy_activate ON policy (activate_at);

CREATE TABLE series (
    name  text   NOT NULL PRIMARY KEY,
    value bigint NOT NULL CHECK (value >= 1)
);

CREATE TABLE officer (
    name          text    COLLATE "C" NOT NULL PRIMARY KEY CHECK (name <> ''),
    role          text    NOT NULL CHECK (role IN ('admin', 'officer', 'support')),
    password_hash bytea   NOT NULL,
    must_change   boolean NOT NULL,
    created_at    bigint,
    disabled_at   bigint
);

CREATE TABLE session (
    token_hash bytea  NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    officer    text   COLLATE "C" NOT NULL REFERENCES officer (name),
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    CONSTRAINT session_ends CHECK (expires_at > created_at)
);

CREATE INDEX session_expires ON session (expires_at);
CREATE INDEX session_officer ON session (officer);

-- A policy, and a warrant for a hold, count only with the signatures of two different officers (Charter C7). They are TUF metadata:
-- what was published is never changed, only followed by a later version.
CREATE TABLE metadata (
    role     text   NOT NULL CHECK (role IN ('root', 'targets', 'policy', 'warrant', 'snapshot', 'timestamp')),
    version  bigint NOT NULL CHECK (version >= 1),
    document bytea  NOT NULL CHECK (length(document) BETWEEN 1 AND 65536),
    PRIMARY KEY (role, version)
);

-- Files that metadata list, by path and content.
CREATE TABLE target (
    path   text  NOT NULL CHECK (length(path) BETWEEN 3 AND 255),
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    data   bytea NOT NULL CHECK (length(data) BETWEEN 1 AND 16777216),
    PRIMARY KEY (path, sha256)
);

-- Whom a warrant is for: IMEIs without leading zeros as 8 bytes each, big-endian, ascending; and the secret of their salts.
CREATE TABLE cohort (
    warrant text  COLLATE "C" NOT NULL PRIMARY KEY REFERENCES warrant (id),
    secret  bytea NOT NULL CHECK (length(secret) = 32),
    devices bytea NOT NULL CHECK (length(devices) > 0 AND length(devices) % 8 = 0)
);

CREATE FUNCTION stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: what was published or frozen does not change', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER metadata_stays BEFORE UPDATE ON metadata FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER target_stays BEFORE UPDATE ON target FOR EACH ROW EXECUTE FUNCTION stays();
CREATE TRIGGER cohort_stays BEFORE UPDATE ON cohort FOR EACH ROW EXECUTE FUNCTION stays();

-- What officers sign is the draft, byte for byte.
CREATE TRIGGER warrant_document_stays BEFORE UPDATE ON warrant FOR EACH ROW
    WHEN (length(OLD.document) > 0 AND NEW.document <> OLD.document) EXECUTE FUNCTION stays();

-- Which server runs on this database. A term of office has a number; who takes the office later has a higher one.
CREATE TABLE lease (
    one        boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    term       bigint  NOT NULL CHECK (term >= 0),
    holder     text    NOT NULL,
    expires_at timestamptz NOT NULL
);

INSERT INTO lease (term, holder, expires_at) VALUES (0, '', '-infinity');

-- One row for each writing connection of a server: the number of its last transaction that was committed. A server that lost the answer
-- to a commit reads here what became of it, and one whose term is over finds its rows fenced and commits nothing any more.
CREATE TABLE receipt (
    term   bigint  NOT NULL,
    slot   integer NOT NULL,
    number bigint  NOT NULL,
    fenced boolean NOT NULL DEFAULT false,
    PRIMARY KEY (term, slot)
) WITH (fillfactor = 10);

-- The ledger that the records belong to: orders hold indexes into it, and no other one will do.
CREATE TABLE belongs (
    one    boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    ledger text    NOT NULL
);
