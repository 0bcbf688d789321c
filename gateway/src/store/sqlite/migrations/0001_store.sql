-- The store as it began. Times are microseconds since 1970, UTC. Names of kinds, states and
-- agencies are those of the core's `as_str`.

-- Exchange copies of records. The body is JSON; the other columns are how it is found.
CREATE TABLE record (
    kind    TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    as_of   INTEGER NOT NULL,
    subject BLOB,
    place   TEXT,
    parent  TEXT,
    holder  TEXT,
    state   TEXT,
    alias   TEXT,
    body    BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX record_key ON record (kind, id);
CREATE UNIQUE INDEX record_alias ON record (kind, alias) WHERE alias IS NOT NULL;
CREATE INDEX record_subject ON record (kind, subject, id) WHERE subject IS NOT NULL;
CREATE INDEX record_parent ON record (kind, parent, id) WHERE parent IS NOT NULL;
CREATE INDEX record_holder ON record (kind, holder, id) WHERE holder IS NOT NULL;
CREATE INDEX record_state ON record (kind, state, id) WHERE state IS NOT NULL;
-- Covers both the list of a region, which is sorted by id, and its tally by state.
CREATE INDEX record_place ON record (kind, place, id, state, as_of) WHERE place IS NOT NULL;

-- The journal.
CREATE TABLE entry (
    idx            INTEGER PRIMARY KEY CHECK (idx >= 0),
    at_us          INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    agency         TEXT    NOT NULL,
    purpose        TEXT,
    method         TEXT    NOT NULL,
    request_digest BLOB    NOT NULL,
    subjects       BLOB    NOT NULL, -- one after the other, each of the same length
    classes        INTEGER NOT NULL, -- the bits of the set
    trace_id       BLOB    NOT NULL,
    touched        TEXT    NOT NULL, -- JSON: [[kind, id, version, commitment in hex], ...]
    salt           BLOB    NOT NULL, -- key of the commitments
    leaf_hash      BLOB    NOT NULL
) STRICT;

-- Answers kept for repetitions. In the order of the entries, hence of time: the oldest is first.
CREATE TABLE request (
    idx    INTEGER PRIMARY KEY REFERENCES entry (idx),
    agency TEXT    NOT NULL,
    id     BLOB    NOT NULL,
    digest BLOB    NOT NULL,
    at_us  INTEGER NOT NULL,
    answer BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX request_id ON request (agency, id);

-- Entries on their way to a ministry, in the order in which they are to arrive.
CREATE TABLE delivery (
    seq         INTEGER PRIMARY KEY,
    to_ministry TEXT    NOT NULL,
    subject     BLOB,
    kind        TEXT    NOT NULL,
    record_id   TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    entry       INTEGER NOT NULL REFERENCES entry (idx),
    state       TEXT    NOT NULL DEFAULT 'waiting'
) STRICT;

CREATE INDEX delivery_waiting ON delivery (to_ministry) WHERE state = 'waiting';
