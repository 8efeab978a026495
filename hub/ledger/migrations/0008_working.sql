-- Who works with the hub, in which epoch: a process puts itself down before anybody is answered, and takes that back
-- itself, once the ledger has all that it was answered. One that vanished may still be at work with Redis, so while
-- it is down nobody says that the hub is at rest; nor that he alone knows who was answered in that epoch.
CREATE TABLE hub.working (
    partition integer     NOT NULL,
    epoch     integer     NOT NULL,
    process   uuid        NOT NULL,
    since     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, epoch, process)
);

-- What was answered and lost, until the alert that tells it is in the ledger: any process tells it.
CREATE TABLE hub.untold (
    partition integer     NOT NULL,
    -- Of the alert.
    id        text        NOT NULL,
    -- The window, as JSON.
    lost      text        NOT NULL,
    noted_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, id)
);
