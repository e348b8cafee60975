-- How a queue picks the agent whose phone rings, as Asterisk names it (ringall, rrmemory ...), for people; empty: not told.
ALTER TABLE pbx_queues ADD COLUMN strategy text NOT NULL DEFAULT '';
