"""Sounds that people bring along, made into what Asterisk plays."""
