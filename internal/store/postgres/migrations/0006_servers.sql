-- Any number of servers run on one database. Each has a row, which it renews; one that does not is fenced and taken away by another.
-- Numbers are drawn at random: a standby that was promoted may not know the last ones that were given.

CREATE TABLE server (
    number     bigint      NOT NULL PRIMARY KEY CHECK (number > 0),
    holder     text        NOT NULL,
    schema     integer     NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL
) WITH (fillfactor = 10);

-- One row for each writing connection of a server: the number of its last transaction that was committed. A server that lost the answer
-- to a commit reads here what became of it, and one that was fenced commits nothing any more under that number.
CREATE TABLE receipt (
    server    bigint  NOT NULL,
    slot      integer NOT NULL,
    number    bigint  NOT NULL,
    fenced_at timestamptz,
    PRIMARY KEY (server, slot)
) WITH (fillfactor = 10);

-- The server that leads. What only the leader may write is written in transactions that lock this row and see their own term in it; the
-- next term waits for them.
CREATE TABLE leader (
    one        boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    term       bigint      NOT NULL CHECK (term >= 0),
    server     bigint      NOT NULL,
    holder     text        NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 10);

INSERT INTO leader (term, server, holder, expires_at) VALUES (0, 0, '', '-infinity');

-- The public ledger (C2SP tlog-tiles): its tree, and the checkpoint that is published. elsewhere says that it was begun in a data folder and has still
-- to be brought in. The root of the empty tree is the hash of nothing. Only the leader writes here, and it only adds.
CREATE TABLE ledger (
    one            boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    size           bigint  NOT NULL CHECK (size >= 0),
    root           bytea   NOT NULL CHECK (length(root) = 32),
    elsewhere      boolean NOT NULL,
    published_size bigint  CHECK (published_size BETWEEN 0 AND size),
    checkpoint     bytea   CHECK (length(checkpoint) BETWEEN 1 AND 65536),
    published_at   timestamptz,
    CONSTRAINT published_as_one CHECK ((published_size IS NULL) = (checkpoint IS NULL) AND (checkpoint IS NULL) = (published_at IS NULL))
) WITH (fillfactor = 10);

INSERT INTO ledger (size, root, elsewhere)
VALUES (0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', EXISTS (SELECT 1 FROM belongs));

-- Tiles and bundles of entries, each as wide as it is by now. What is served of a narrower one is its beginning.
CREATE TABLE ledger_tile (
    level  smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    number bigint   NOT NULL CHECK (number >= 0),
    hashes bytea    NOT NULL CHECK (length(hashes) % 32 = 0 AND length(hashes) BETWEEN 32 AND 8192),
    PRIMARY KEY (level, number)
);

-- Hashes do not get shorter by compression.
ALTER TABLE ledger_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

CREATE TABLE ledger_bundle (
    number  bigint NOT NULL PRIMARY KEY CHECK (number >= 0),
    entries bytea  NOT NULL CHECK (length(entries) BETWEEN 3 AND 131584)
);

-- What the public was shown is never taken back.
CREATE FUNCTION only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: a public ledger only grows', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER ledger_grows BEFORE UPDATE ON ledger FOR EACH ROW
    WHEN (NEW.size < OLD.size OR NEW.published_size < OLD.published_size OR NEW.checkpoint IS NULL AND OLD.checkpoint IS NOT NULL
        OR NEW.elsewhere AND NOT OLD.elsewhere OR NEW.size = OLD.size AND NEW.root <> OLD.root)
    EXECUTE FUNCTION only_grows();
CREATE TRIGGER ledger_tile_grows BEFORE UPDATE ON ledger_tile FOR EACH ROW
    WHEN (substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes) EXECUTE FUNCTION only_grows();
CREATE TRIGGER ledger_bundle_grows BEFORE UPDATE ON ledger_bundle FOR EACH ROW
    WHEN (substr(NEW.entries, 1, length(OLD.entries)) <> OLD.entries) EXECUTE FUNCTION only_grows();
CREATE TRIGGER ledger_stays BEFORE DELETE ON ledger FOR EACH ROW EXECUTE FUNCTION only_grows();
CREATE TRIGGER ledger_tile_stays BEFORE DELETE ON ledger_tile FOR EACH ROW EXECUTE FUNCTION only_grows();
CREATE TRIGGER ledger_bundle_stays BEFORE DELETE ON ledger_bundle FOR EACH ROW EXECUTE FUNCTION only_grows();

-- A fingerprint of all keys that the servers on this database share; null until the first of them has told it.
ALTER TABLE belongs ADD COLUMN keys bytea CHECK (length(keys) = 32);
