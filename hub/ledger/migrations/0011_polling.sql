-- How far each source was asked for what happened at it: `orders`, and `levels`, which are only compared.
CREATE TABLE hub.poll (
    source   text        NOT NULL,
    stream   text        NOT NULL,
    -- What happened since then is asked for.
    since    timestamptz NOT NULL,
    -- When the present walk over pages began; null while none is under way.
    began_at timestamptz,
    -- The third party's own word for where to go on; empty: at the first page.
    cursor   text        NOT NULL DEFAULT '',
    due_at   timestamptz NOT NULL DEFAULT now(),
    -- Failures since the last page.
    attempts integer     NOT NULL DEFAULT 0,
    problem  text        NOT NULL DEFAULT '',
    -- When the last walk came to its end.
    done_at  timestamptz,
    -- Deliveries of the present walk, or else of the last one, that were not in the inbox.
    found    bigint      NOT NULL DEFAULT 0,
    -- Another one each time that an operator changes something; who asks notices by it.
    version  bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (source, stream)
);

-- Stock levels of third parties that differ from ours, from when they are told until they agree.
CREATE TABLE hub.drift (
    source   text        NOT NULL,
    sku      text        NOT NULL,
    location text        NOT NULL,
    -- The third party's last number, by how many units it was above ours then, and when it was told.
    theirs   bigint      NOT NULL,
    units    bigint      NOT NULL,
    told_at  timestamptz NOT NULL,
    -- It differs since.
    since    timestamptz NOT NULL,
    -- When an alert told it.
    alert_at timestamptz,
    PRIMARY KEY (source, sku, location)
);
