-- An order is looked for among those of its device. An index of ids alone, which are hashes, costs a page for each order that is written. That no two devices
-- have an order with the same id is in what it is made of: the SHA-256 of a leaf that commits to the device. Rows keep their numbers.
ALTER TABLE orders RENAME TO orders_10;
CREATE TABLE orders (
    number       INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL CHECK (length(id) = 32),
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
INSERT INTO orders (number, id, device, leaf, salt, kind, ground_kind, ground, issued_at, leaf_index, delivered_at, settled, refusal)
    SELECT number, id, device, leaf, salt, kind, ground_kind, ground, issued_at, leaf_index, delivered_at, settled, refusal FROM orders_10 ORDER BY number;
DROP TABLE orders_10;

CREATE UNIQUE INDEX orders_device ON orders (device, id);
CREATE INDEX orders_pending ON orders (issued_at) WHERE leaf_index IS NULL;
CREATE UNIQUE INDEX orders_leaf_index ON orders (leaf_index) WHERE leaf_index IS NOT NULL;
CREATE INDEX orders_unsettled ON orders (ground_kind, ground, device) WHERE settled = 0;
