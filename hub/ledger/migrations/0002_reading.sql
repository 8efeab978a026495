-- What the ledger is asked about besides "was it booked": what pools showed, what counts found, what an event was
-- about, and what waits parked. Rows of entries from before have none of it: it was not known then.

-- What the event is about, where another may name the same: the sale that is voided, the transfer, the purchase order;
-- null where it is about nothing but itself.
ALTER TABLE hub.event ADD COLUMN about text COLLATE "C";

-- Serves "this source's voids of this sale" as well as "every fact about this transfer".
CREATE INDEX event_about ON hub.event (about, source) WHERE kind = 'fact' AND about IS NOT NULL;

-- In the order of the journal: all that was parked, that of one source, and one id.
CREATE INDEX event_parked ON hub.event (partition, epoch, seq) WHERE kind = 'parked';
CREATE INDEX event_parked_of_source ON hub.event (source, partition, epoch, seq) WHERE kind = 'parked';
CREATE INDEX event_parked_id ON hub.event (source, id, partition, epoch, seq) WHERE kind = 'parked';

-- Late facts that a count had seen already: they say why it found another number than the book.
CREATE INDEX movement_of_variance ON hub.movement (sku, location, time)
    WHERE from_bucket = 'variance' OR to_bucket = 'variance';

-- Every value that a pool showed, and by which entry it came.
CREATE TABLE hub.shown (
    partition integer     NOT NULL,
    epoch     integer     NOT NULL,
    seq       bigint      NOT NULL,
    sku       text        COLLATE "C" NOT NULL,
    pool      text        COLLATE "C" NOT NULL,
    -- Shown from then on.
    booked_at timestamptz NOT NULL,
    -- How often the shown value has changed in this epoch's count; with the epoch it makes the `rev`.
    changes   bigint      NOT NULL,
    -- After the cap; -1 where the pool showed only a status.
    available bigint      NOT NULL,
    capped    boolean     NOT NULL,
    status    text        NOT NULL,
    eta       timestamptz
) PARTITION BY RANGE (booked_at);

CREATE INDEX shown_then ON hub.shown (sku, pool, booked_at, epoch, seq);

-- As `movement_default`: showing never waits for a table to be made.
CREATE TABLE hub.shown_default PARTITION OF hub.shown DEFAULT;

-- Every position that was counted: what lay there, and what the book said for that time.
CREATE TABLE hub.count_line (
    partition  integer     NOT NULL,
    epoch      integer     NOT NULL,
    seq        bigint      NOT NULL,
    -- Position within the entry, from 0.
    line       integer     NOT NULL,
    sku        text        COLLATE "C" NOT NULL,
    location   text        COLLATE "C" NOT NULL,
    counted_at timestamptz NOT NULL,
    booked_at  timestamptz NOT NULL,
    -- physical or system.
    kind       text        NOT NULL,
    counted    bigint      NOT NULL,
    book       bigint      NOT NULL,
    -- False when a newer count stood already, and the shelf was left alone.
    is_newest  boolean     NOT NULL,
    -- The number of the entry that opened the count: what came later is not in `book`.
    opened_by  bigint      NOT NULL,
    source     text        COLLATE "C" NOT NULL,
    event_id   text        COLLATE "C" NOT NULL,
    PRIMARY KEY (partition, epoch, seq, line)
);

-- Of all locations, of one, of one position.
CREATE INDEX count_line_of_time ON hub.count_line (counted_at);
CREATE INDEX count_line_of_location ON hub.count_line (location, counted_at);
CREATE INDEX count_line_of_position ON hub.count_line (sku, location, counted_at);
