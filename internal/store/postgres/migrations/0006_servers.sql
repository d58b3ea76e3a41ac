-- Any number of servers run on one database. Each has a row, which it renews; one that does not is fenced and taken away by another.
-- Numbers are drawn at random: a standby that was promoted may not know the last ones that were given.
DROP TABLE receipt;
DROP TABLE lease;

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
