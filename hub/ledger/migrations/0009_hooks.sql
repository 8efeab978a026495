-- Whom the feed is sent to, and how far. The feed itself stays where it is: a message that was not taken yet is known
-- by its place alone, and made anew for each attempt. What was delivered leaves nothing but the place it went by.
CREATE TABLE hub.hook (
    partition    integer     NOT NULL,
    id           text        NOT NULL,
    -- Epoch, number, offset: everything up to here was delivered or stands in hub.hook_delivery.
    place        bigint[]    NOT NULL,
    -- A stretch of the feed that is told again: behind the first place, up to the second.
    replay_at    bigint[],
    replay_until bigint[],
    -- Since when the receiver wants nothing more.
    gone_at      timestamptz,
    -- Another one each time that an operator changes something; who sends notices by it.
    version      bigint      NOT NULL DEFAULT 0,
    made_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, id)
);

-- Messages that were tried, and not taken yet.
CREATE TABLE hub.hook_delivery (
    partition integer     NOT NULL,
    hook      text        NOT NULL,
    place     bigint[]    NOT NULL,
    first_at  timestamptz NOT NULL,
    attempts  integer     NOT NULL,
    -- No time: it is tried no more, and kept until somebody has it sent again.
    next_at   timestamptz,
    -- Of the last attempt; 0: nobody answered.
    status    integer     NOT NULL,
    problem   text        NOT NULL,
    PRIMARY KEY (partition, hook, place)
);
CREATE INDEX hook_delivery_due ON hub.hook_delivery (partition, hook, next_at);
