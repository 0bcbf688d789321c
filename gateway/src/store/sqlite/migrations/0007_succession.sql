-- The succession of the log's keys.

CREATE TABLE succession (
    seq       INTEGER PRIMARY KEY,
    statement TEXT NOT NULL UNIQUE
) STRICT;
