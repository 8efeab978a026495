-- What third parties delivered, raw, from before it is answered until it is booked and some time after. One that is kept
-- is booked by whoever has it until `next_at`, and then by whoever comes first.
CREATE TABLE hub.inbox (
    number      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      text        NOT NULL,
    -- The third party's own id of it.
    delivery    text        NOT NULL,
    received_at timestamptz NOT NULL,
    topic       text        NOT NULL,
    method      text        NOT NULL,
    -- JSON objects, without what is secret.
    headers     text        NOT NULL,
    query       text        NOT NULL,
    body        bytea       NOT NULL,
    -- SHA-256 of the body.
    digest      bytea       NOT NULL,
    state       text        NOT NULL CHECK (state IN ('kept', 'booked', 'ignored', 'parked', 'dismissed')),
    -- What keeps it from being booked, a sentence.
    why         text        NOT NULL DEFAULT '',
    -- Names that would have to be aliases of the house.
    lacks       text[]      NOT NULL DEFAULT '{}',
    -- Tries that failed at the third party's.
    attempts    integer     NOT NULL DEFAULT 0,
    next_at     timestamptz NOT NULL,
    -- When it came to be what it is; null while it is kept.
    settled_at  timestamptz,
    UNIQUE (source, delivery)
);
CREATE INDEX inbox_due ON hub.inbox (next_at) WHERE state = 'kept';
CREATE INDEX inbox_waiting ON hub.inbox (source, state, received_at) WHERE state IN ('kept', 'parked');
CREATE INDEX inbox_parked ON hub.inbox (number) WHERE state = 'parked';
CREATE INDEX inbox_over ON hub.inbox (settled_at) WHERE state IN ('booked', 'ignored', 'dismissed');
