"""dialerd: dials campaigns of leads through Asterisk and hands answered calls to agents."""

__version__ = "0.1.0"
