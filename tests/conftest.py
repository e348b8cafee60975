"""Fixtures that tests of more than one folder use."""

pytest_plugins = ["tests.postgres"]
