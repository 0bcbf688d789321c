-- What shows who called. A certificate chain and a set of revocation lists are kept once, and
-- entries refer to them. An entry of before has a leaf of version 1, which names none of it.

CREATE TABLE certificate (
    id          INTEGER PRIMARY KEY,
    fingerprint BLOB    NOT NULL UNIQUE, -- SHA-256 of the first certificate of the chain
    chain       BLOB    NOT NULL         -- of each certificate its length (u32, big-endian) and DER
) STRICT;

CREATE TABLE revocation (
    id     INTEGER PRIMARY KEY,
    digest BLOB    NOT NULL UNIQUE, -- SHA-256 of the lists, one after the other
    lists  BLOB    NOT NULL         -- as a chain
) STRICT;

CREATE TABLE entry_signature (
    idx      INTEGER PRIMARY KEY REFERENCES entry (idx),
    digest   BLOB    NOT NULL, -- of the document in clear
    document BLOB    NOT NULL, -- what was signed and the signature, as a chain
    sealed   BLOB              -- the data key under which the document is sealed; NULL: it is in clear
) STRICT;

ALTER TABLE entry ADD COLUMN leaf_version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE entry ADD COLUMN certificate INTEGER REFERENCES certificate (id);
ALTER TABLE entry ADD COLUMN revocation INTEGER REFERENCES revocation (id);

-- Repeats what the entry says, to find whom the calls with one certificate concern.
ALTER TABLE entry_subject ADD COLUMN certificate INTEGER;
