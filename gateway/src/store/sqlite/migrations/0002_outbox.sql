-- Deliveries are attempted: leases, attempts and what came of them.

-- The entry that wrote the record's version, so that what waits for a ministry can be told.
ALTER TABLE record ADD COLUMN entry INTEGER;

ALTER TABLE delivery ADD COLUMN queued_us  INTEGER NOT NULL DEFAULT 0; -- committed, or replayed last
ALTER TABLE delivery ADD COLUMN due_us     INTEGER NOT NULL DEFAULT 0; -- not before; under a lease, its end
ALTER TABLE delivery ADD COLUMN head       INTEGER NOT NULL DEFAULT 0; -- 1: the first that waits in its line
ALTER TABLE delivery ADD COLUMN attempts   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN token      INTEGER NOT NULL DEFAULT 0; -- of the last lease
ALTER TABLE delivery ADD COLUMN reason     TEXT;
ALTER TABLE delivery ADD COLUMN settled_us INTEGER;
-- The record at the delivery's version, once the record itself has moved on.
ALTER TABLE delivery ADD COLUMN body       BLOB;

-- A line is a person and a ministry. What concerned nobody known had none: one line for all.
UPDATE delivery SET subject = zeroblob(32) WHERE subject IS NULL;
UPDATE delivery SET queued_us = (SELECT at_us FROM entry WHERE idx = delivery.entry);
UPDATE delivery SET head = 1 WHERE seq IN (
    SELECT min(seq) FROM delivery WHERE state = 'waiting' GROUP BY to_ministry, subject);

DROP INDEX delivery_waiting;
CREATE INDEX delivery_line ON delivery (to_ministry, subject, seq) WHERE state = 'waiting';
CREATE INDEX delivery_due ON delivery (to_ministry, due_us, seq) WHERE state = 'waiting' AND head = 1;
CREATE INDEX delivery_dead ON delivery (to_ministry, subject) WHERE state = 'dead';
CREATE INDEX delivery_list ON delivery (to_ministry, state, seq);
CREATE INDEX delivery_entry ON delivery (entry);

-- The exchange keeps no copy of the population register any more.
DELETE FROM record WHERE kind = 'person';
