-- How often each source is heard, so that a restart does not forget what is usual.
CREATE TABLE hub.source (
    source      text        COLLATE "C" PRIMARY KEY,
    first_heard timestamptz NOT NULL,
    last_heard  timestamptz NOT NULL,
    events      bigint      NOT NULL,
    -- Day since 1970 -> the longest gap that ended on it, in milliseconds.
    longest     jsonb       NOT NULL
);

-- Which change of the rules had SKUs recomputed.
CREATE INDEX event_rules ON hub.event (partition, rules_version) WHERE kind = 'rules';
