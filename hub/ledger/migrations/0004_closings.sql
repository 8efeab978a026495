-- By which entry a count was closed, found by the entry that opened it. Those from before do not say it.
CREATE INDEX event_closed ON hub.event (about) WHERE kind = 'closed' AND about IS NOT NULL;

-- Parked events that nobody waits for any more.
CREATE INDEX event_dismissed ON hub.event (source, id, partition) WHERE kind = 'dismissed';
