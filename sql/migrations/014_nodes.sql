-- Since when the daemon has no line to its Asterisk. NULL: it has one.
ALTER TABLE nodes ADD COLUMN asterisk_away_since timestamptz;
