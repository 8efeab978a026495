-- What Redis holds, as of an entry: everything up to it folded, the last value of each field. A rebuild begins here
-- and not at the beginning of time. Made from `event` and `poison` alone; emptied, it is made anew.

-- How far entries are folded in; no row: nothing is.
CREATE TABLE hub.checkpoint (
    partition integer PRIMARY KEY,
    epoch     integer NOT NULL,
    seq       bigint  NOT NULL
);

-- Bytes, because names of fields have NUL between their parts.
CREATE TABLE hub.checkpoint_value (
    partition integer NOT NULL,
    -- The key in Redis, behind its hash tag.
    place     bytea   NOT NULL,
    field     bytea   NOT NULL,
    -- Exactly as Redis holds it.
    value     bytea   NOT NULL,
    PRIMARY KEY (partition, place, field)
) WITH (fillfactor = 80);
