"""The keys of a log, one after the other: a second implementation, from the documents.

Rules: gateway/src/audit/succession.rs (the lines of a statement) and those of notes.py.
"""

from notes import SIGNED_BY_LOG, Invalid, Key, read_key, signers


def followed(statements: list[str], log: Key) -> list[Key]:
    """The log's keys from one on, by statements that an earlier and a later key have both signed."""
    keys = [log]
    for statement in statements:
        lines = statement.split("\n")
        earlier, later = (read_key(line) for line in lines[2:4])
        text, by = signers(statement, [earlier, later])
        words = [log.name, "succession of the log's key", *lines[2:4], ""]
        kinds = {(key.name, key.kind) for key in (earlier, later)}
        both = {earlier, later} == set(by) and earlier != later
        if text.split("\n") != words or kinds != {(log.name, SIGNED_BY_LOG)} or not both:
            raise Invalid("a statement of the succession of keys does not hold")
        if earlier in keys:
            keys.append(later)
        elif later not in keys:
            raise Invalid("a statement about other keys")
    return keys
