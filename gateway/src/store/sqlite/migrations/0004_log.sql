-- The journal's Merkle tree above its leaves, and its signed heads.

CREATE TABLE tile (
    level  INTEGER NOT NULL,
    idx    INTEGER NOT NULL,
    hashes BLOB    NOT NULL, -- 32 bytes each, 256 at the most
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoint (
    size  INTEGER PRIMARY KEY CHECK (size > 0),
    root  BLOB    NOT NULL,
    at_us INTEGER NOT NULL,
    note  TEXT    NOT NULL
) STRICT;
