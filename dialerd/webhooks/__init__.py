"""Tells webhooks and CRMs what has happened. Nothing here can delay a call: it reads what calls have left in the outbox."""
