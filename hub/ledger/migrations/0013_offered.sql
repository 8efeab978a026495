-- What was told to vendors' shops. A channel has a row for each SKU: what its vendor is known to have of it, and how the
-- last try ended. What it shall have is not here: that is what its pool shows.
CREATE TABLE hub.channel (
    partition    integer     NOT NULL,
    id           text        NOT NULL,
    -- Whom it told: what was told to one says nothing of another.
    target       text        NOT NULL DEFAULT '',
    -- As whoever tells it wrote down last.
    waiting      integer     NOT NULL DEFAULT 0,
    oldest_at    timestamptz,
    drifting     integer     NOT NULL DEFAULT 0,
    circuit      text        NOT NULL DEFAULT '',
    why          text        NOT NULL DEFAULT '',
    noted_at     timestamptz,
    -- Another one each time that an operator has something tried again.
    version      bigint      NOT NULL DEFAULT 0,
    made_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, id)
);

CREATE TABLE hub.offered (
    partition integer     NOT NULL,
    channel   text        NOT NULL,
    sku       text        NOT NULL,
    -- The vendor's own name of it; empty: not known.
    listing   text        NOT NULL,
    -- What the vendor is known to have; null: not known.
    has       integer,
    -- What it was told last.
    tried     integer,
    taken_at  timestamptz,
    state     text        NOT NULL CHECK (state IN ('live', 'absent', 'dead')),
    outcome   text        NOT NULL,
    attempts  integer     NOT NULL,
    conflicts integer     NOT NULL,
    next_at   timestamptz,
    why       text        NOT NULL,
    PRIMARY KEY (partition, channel, sku)
);
CREATE INDEX offered_dead ON hub.offered (partition, channel, sku) WHERE state = 'dead';
