-- Which signed heads had enough witnesses.

ALTER TABLE checkpoint ADD COLUMN witnessed INTEGER NOT NULL DEFAULT 0;

CREATE INDEX checkpoint_witnessed ON checkpoint (size) WHERE witnessed = 1;
