-- What is about a person is sealed under the person's data key. The rows that are there already are
-- sealed by the program, in the transaction that runs this.

-- Data keys, each wrapped by a key-encryption key. A person whose row is deleted is erased.
CREATE TABLE data_key (
    id      BLOB NOT NULL PRIMARY KEY,
    subject BLOB NOT NULL UNIQUE,
    kek     TEXT NOT NULL,
    wrapped BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The key-encryption keys in use: each wraps the key of aliases, which proves that it fits.
CREATE TABLE kek (
    id      TEXT NOT NULL PRIMARY KEY,
    aliases BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The data key under which the body is sealed; NULL: it is in clear.
ALTER TABLE record   ADD COLUMN sealed BLOB;
ALTER TABLE delivery ADD COLUMN sealed BLOB; -- of its own body, if it has one
ALTER TABLE request  ADD COLUMN sealed BLOB;

-- 1: its person was erased. The body stays, since the journal committed to it.
ALTER TABLE record ADD COLUMN erased INTEGER NOT NULL DEFAULT 0;

CREATE INDEX record_sealed ON record (sealed) WHERE sealed IS NOT NULL;

-- A store that held values in clear is rewritten, so that no free page keeps any.
CREATE TABLE chore (name TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
INSERT INTO chore SELECT 'vacuum' WHERE EXISTS (SELECT 1 FROM entry);
