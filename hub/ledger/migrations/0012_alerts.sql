-- Alerts that the hub raised by itself, newest first, and which of them a person looked at and is done with.
CREATE INDEX event_alert ON hub.event (partition, epoch, seq) WHERE kind = 'alert';

-- Rows are only added: what was settled stays so, by the one who said so first.
CREATE TABLE hub.alert_settled (
    partition  integer     NOT NULL,
    epoch      integer     NOT NULL,
    seq        bigint      NOT NULL,
    settled_at timestamptz NOT NULL DEFAULT now(),
    -- Who said so: the subject of a token.
    settled_by text        COLLATE "C" NOT NULL,
    why        text        NOT NULL,
    PRIMARY KEY (partition, epoch, seq)
);
