-- The ledger: every change of stock, for ever. Rows are only added, but for `hub_state`.
-- Text that is compared has collation "C": bytes in, bytes out, and no index breaks when the
-- operating system's collations change.

CREATE TABLE hub.hub_state (
    partition    integer PRIMARY KEY,
    -- Made at the first start; Redis and the ledger of one hub carry the same.
    hub          uuid    NOT NULL,
    -- Raised under a lock before Redis is healed; entries of another epoch are refused.
    epoch        integer NOT NULL CHECK (epoch >= 1),
    -- The last journal entry that is here; both null while there is none. It only goes forward.
    cursor_epoch integer,
    cursor_seq   bigint,
    CHECK ((cursor_epoch IS NULL) = (cursor_seq IS NULL)),
    CHECK (cursor_epoch <= epoch)
);

CREATE TABLE hub.event (
    partition     integer     NOT NULL,
    epoch         integer     NOT NULL,
    seq           bigint      NOT NULL,
    -- fact, parked, conflict, refresh, rules as the kernel wrote it; doubled: a fact whose (source, id) was
    -- booked before under another seq, so it took effect twice and waits to be reversed.
    kind          text        NOT NULL,
    type          text        NOT NULL,
    source        text        COLLATE "C" NOT NULL,
    id            text        COLLATE "C" NOT NULL,
    hash          text        COLLATE "C" NOT NULL,
    -- When it happened, as its source says; any year.
    time          timestamptz NOT NULL,
    -- When the kernel booked it; never goes back within a partition.
    booked_at     timestamptz NOT NULL,
    rules_version bigint      NOT NULL,
    -- The event as sent, canonical JSON; text, because jsonb refuses \u0000.
    payload       text        NOT NULL,
    -- {"lines": [[sku, quantity]], "alerts": [{type, sku, location, quantity, pool}]}
    answer        jsonb       NOT NULL,
    -- The journal entry byte for byte: what Redis is rebuilt from.
    entry         bytea       NOT NULL,
    PRIMARY KEY (partition, epoch, seq)
);

-- Once, for ever: a fact is booked under one seq only.
CREATE UNIQUE INDEX event_once ON hub.event (source, id, partition) WHERE kind = 'fact';

CREATE INDEX event_doubled ON hub.event (partition, epoch, seq) WHERE kind = 'doubled';

CREATE TABLE hub.movement (
    partition   integer     NOT NULL,
    epoch       integer     NOT NULL,
    seq         bigint      NOT NULL,
    -- Position within the entry, from 0.
    line        integer     NOT NULL,
    sku         text        COLLATE "C" NOT NULL,
    location    text        COLLATE "C" NOT NULL,
    from_bucket text        COLLATE "C" NOT NULL,
    to_bucket   text        COLLATE "C" NOT NULL,
    quantity    bigint      NOT NULL CHECK (quantity > 0),
    source      text        COLLATE "C" NOT NULL,
    event_id    text        COLLATE "C" NOT NULL,
    event_type  text        NOT NULL,
    -- Why, where the event says it (adjustments).
    reason      text,
    time        timestamptz NOT NULL,
    booked_at   timestamptz NOT NULL
) PARTITION BY RANGE (booked_at);

CREATE INDEX movement_of_position ON hub.movement (sku, location, booked_at);

-- Takes what no month's table takes, so that booking a movement never waits for a table to be made.
CREATE TABLE hub.movement_default PARTITION OF hub.movement DEFAULT;

-- Entries that cannot be read, kept byte for byte until somebody mends them.
CREATE TABLE hub.poison (
    partition    integer     NOT NULL,
    epoch        integer     NOT NULL,
    seq          bigint      NOT NULL,
    entry        bytea       NOT NULL,
    problem      text        NOT NULL,
    set_aside_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, epoch, seq)
);
