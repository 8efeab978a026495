-- By which entry a count was closed, found by the entry that opened it. Those from before do not say it.
CREATE INDEX event_closed ON hub.event (about) WHERE kind = 'closed' AND about IS NOT NULL;
