-- That nobody works with the hub, and the ledger has all that was ever answered. The last process that stops in order
-- says so, and whoever begins to work takes it back before anybody is answered. So while there is a row, Redis may be
-- lost, and nothing that was answered is.
CREATE TABLE hub.at_rest (
    partition integer     PRIMARY KEY,
    -- Of whoever stopped: the last entry that was answered.
    epoch     integer     NOT NULL,
    seq       bigint      NOT NULL,
    since     timestamptz NOT NULL DEFAULT now()
);
