-- The cursor and the epoch only go forward, whoever writes them. That rows are only added is a matter of rights, which
-- every opening of the ledger gives anew: see hub/ledger/rights.py.
CREATE FUNCTION hub.refuse_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger''s cursor and epoch only go forward' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER forward BEFORE UPDATE ON hub.hub_state FOR EACH ROW
    WHEN (NEW.epoch < OLD.epoch
          OR (NEW.cursor_epoch, NEW.cursor_seq) < (OLD.cursor_epoch, OLD.cursor_seq)
          OR (NEW.cursor_epoch IS NULL AND OLD.cursor_epoch IS NOT NULL))
    EXECUTE FUNCTION hub.refuse_back();

-- What the hub did about an entry that was set aside: `about` says which, as epoch and number.
CREATE INDEX event_of_hub ON hub.event (about, type, partition) WHERE source = '~hub' AND about IS NOT NULL;
