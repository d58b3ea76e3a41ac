-- A policy, and a warrant for a hold, count only with the signatures of two different officers (Charter C7). They are TUF metadata:
-- what was published is never changed, only followed by a later version.
CREATE TABLE metadata (
    role     TEXT    NOT NULL CHECK (role IN ('root', 'targets', 'policy', 'warrant', 'snapshot', 'timestamp')),
    version  INTEGER NOT NULL CHECK (version >= 1),
    document BLOB    NOT NULL CHECK (length(document) BETWEEN 1 AND 65536),
    PRIMARY KEY (role, version)
) STRICT;

CREATE TRIGGER metadata_stays BEFORE UPDATE ON metadata
BEGIN SELECT RAISE(ABORT, 'metadata: a published version does not change'); END;

-- Files that metadata list, by path and content.
CREATE TABLE target (
    path   TEXT NOT NULL CHECK (length(path) BETWEEN 3 AND 255),
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    data   BLOB NOT NULL CHECK (length(data) BETWEEN 1 AND 16777216),
    PRIMARY KEY (path, sha256)
) STRICT;

CREATE TRIGGER target_stays BEFORE UPDATE ON target
BEGIN SELECT RAISE(ABORT, 'target: a published file does not change'); END;

-- Whom a warrant is for: IMEIs without leading zeros as 8 bytes each, big-endian, ascending; and the secret of their salts.
CREATE TABLE cohort (
    warrant TEXT NOT NULL PRIMARY KEY REFERENCES warrant (id),
    secret  BLOB NOT NULL CHECK (length(secret) = 32),
    devices BLOB NOT NULL CHECK (length(devices) > 0 AND length(devices) % 8 = 0)
) STRICT;

CREATE TRIGGER cohort_stays BEFORE UPDATE ON cohort
BEGIN SELECT RAISE(ABORT, 'cohort: it was frozen when its warrant was drafted'); END;

-- What officers sign is the draft, byte for byte.
CREATE TRIGGER warrant_document_stays BEFORE UPDATE OF document ON warrant
WHEN length(OLD.document) > 0 AND NEW.document <> OLD.document
BEGIN SELECT RAISE(ABORT, 'warrant: its document was frozen when it was drafted'); END;

ALTER TABLE warrant ADD COLUMN signers TEXT NOT NULL DEFAULT '';
ALTER TABLE policy ADD COLUMN published_at INTEGER;
ALTER TABLE policy ADD COLUMN signers TEXT NOT NULL DEFAULT '';
ALTER TABLE policy ADD COLUMN version INTEGER NOT NULL DEFAULT 0 CHECK (version >= 0);
