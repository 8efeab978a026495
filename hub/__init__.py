"""The service: a sale event in, one atomic script in Redis, the journal, the ledger, every screen.

POST /v1/events
  │  intake/server.py → events.py          bytes, limits, who asks
  ▼
intake/facts.py                            event → fact: names resolved                         pure
  ▼
stock/booking.py → batcher.py → kernel.py  what arrives together goes in one call
  ▼
stock/lua/kernel.lua                       dedupe · check · take units · views · journal        atomic
  ▼
journal/reader.py                          the journal, entry by entry, gapless
  ├──► live/follower.py → fanout.py        changed views → frames, built once, to every watcher
  └──► ledger/writer.py → posting.py       events and movements → Postgres; the watermark moves
                                            └──► intake/answers.py: 200 applied, or 202 accepted
"""
