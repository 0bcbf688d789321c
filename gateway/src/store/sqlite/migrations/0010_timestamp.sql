-- When an authority saw signed heads (RFC 3161 tokens in DER). Apart from the heads, which are
-- written again with every signature.

CREATE TABLE timestamp (
    size  INTEGER PRIMARY KEY,
    token BLOB NOT NULL
) STRICT;
