-- Records counted by place, state and facet, so that a region's numbers are read and not counted.
-- Kept by triggers: whatever writes a record, erases one or takes one away, the numbers follow.

-- What records of a place and state are counted by besides; '' where nothing is.
ALTER TABLE record ADD COLUMN facet TEXT NOT NULL DEFAULT '';

-- Once for each place (width 10: ten digits, or fewer for records that belong to a region), and
-- once for each regency (width 4), of which a country has few.
CREATE TABLE tally (
    kind      TEXT    NOT NULL,
    width     INTEGER NOT NULL,
    place     TEXT    NOT NULL,
    state     TEXT    NOT NULL,
    facet     TEXT    NOT NULL,
    count     INTEGER NOT NULL,
    newest_us INTEGER NOT NULL, -- when the newest of them was written
    PRIMARY KEY (kind, width, place, state, facet)
) STRICT, WITHOUT ROWID;

-- All states and facets of a place together, to find the places with the most.
CREATE TABLE place_count (
    kind  TEXT    NOT NULL,
    place TEXT    NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX place_count_order ON place_count (kind, count DESC, place);

CREATE TRIGGER record_in AFTER INSERT ON record
WHEN new.place IS NOT NULL AND new.state IS NOT NULL
BEGIN
    INSERT INTO tally
    VALUES (new.kind, 10, new.place, new.state, new.facet, 1, new.as_of),
           (new.kind, 4, substr(new.place, 1, 4), new.state, new.facet, 1, new.as_of)
    ON CONFLICT DO UPDATE SET count = count + 1, newest_us = max(newest_us, excluded.newest_us);
    INSERT INTO place_count VALUES (new.kind, new.place, 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER record_moved AFTER UPDATE ON record
WHEN (old.place, old.state, old.facet) IS NOT (new.place, new.state, new.facet)
BEGIN
    UPDATE tally SET count = count - 1
    WHERE kind = old.kind AND state = old.state AND facet = old.facet
      AND (width, place) IN (VALUES (10, old.place), (4, substr(old.place, 1, 4)));
    DELETE FROM tally
    WHERE kind = old.kind AND state = old.state AND facet = old.facet AND count = 0
      AND (width, place) IN (VALUES (10, old.place), (4, substr(old.place, 1, 4)));
    UPDATE place_count SET count = count - 1
    WHERE kind = old.kind AND place = old.place AND old.state IS NOT NULL;
    DELETE FROM place_count WHERE kind = old.kind AND place = old.place AND count = 0;
    INSERT INTO tally
    SELECT new.kind, 10, new.place, new.state, new.facet, 1, new.as_of
    WHERE new.place IS NOT NULL AND new.state IS NOT NULL
    UNION ALL
    SELECT new.kind, 4, substr(new.place, 1, 4), new.state, new.facet, 1, new.as_of
    WHERE new.place IS NOT NULL AND new.state IS NOT NULL
    ON CONFLICT DO UPDATE SET count = count + 1, newest_us = max(newest_us, excluded.newest_us);
    INSERT INTO place_count
    SELECT new.kind, new.place, 1 WHERE new.place IS NOT NULL AND new.state IS NOT NULL
    ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER record_renewed AFTER UPDATE ON record
WHEN new.place IS NOT NULL AND new.state IS NOT NULL AND new.as_of > old.as_of
 AND (old.place, old.state, old.facet) IS (new.place, new.state, new.facet)
BEGIN
    UPDATE tally SET newest_us = max(newest_us, new.as_of)
    WHERE kind = new.kind AND state = new.state AND facet = new.facet
      AND (width, place) IN (VALUES (10, new.place), (4, substr(new.place, 1, 4)));
END;

INSERT INTO tally
SELECT kind, 10, place, state, '', count(*), max(as_of) FROM record
WHERE place IS NOT NULL AND state IS NOT NULL GROUP BY kind, place, state
UNION ALL
SELECT kind, 4, substr(place, 1, 4), state, '', count(*), max(as_of) FROM record
WHERE place IS NOT NULL AND state IS NOT NULL GROUP BY kind, substr(place, 1, 4), state;
INSERT INTO place_count
SELECT kind, place, count(*) FROM record
WHERE place IS NOT NULL AND state IS NOT NULL GROUP BY kind, place;
