-- Whom the journal's entries concern, to find the entries about a person, and the people of an
-- agency's entries: one row a person and entry. It repeats what the entry says, so that neither
-- question has to read every entry.
CREATE TABLE entry_subject (
    subject BLOB    NOT NULL,
    idx     INTEGER NOT NULL,
    at_us   INTEGER NOT NULL,
    agency  TEXT    NOT NULL,
    classes INTEGER NOT NULL,
    PRIMARY KEY (subject, idx)
) STRICT, WITHOUT ROWID;

-- Every place in an entry's blob of subjects, as far as the longest reaches.
CREATE TEMP TABLE place (nth INTEGER PRIMARY KEY);
INSERT INTO place
WITH RECURSIVE up (nth) AS (
    SELECT 0 UNION ALL
    SELECT nth + 1 FROM up
    WHERE nth + 1 < (SELECT coalesce(max(length(subjects)), 0) / 32 FROM entry))
SELECT nth FROM up;

-- A person who stands twice in an entry is one row.
INSERT OR IGNORE INTO entry_subject (subject, idx, at_us, agency, classes)
SELECT substr(subjects, 1 + 32 * nth, 32), idx, at_us, agency, classes
FROM entry CROSS JOIN place ON nth < length(subjects) / 32;

DROP TABLE place;
