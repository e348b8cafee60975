"""Whose certificates are trusted where dialerd connects to somebody."""

import ssl
from pathlib import Path

from dialerd.errors import SettingsError


def trusting(ca_file: Path | str | None, *, named: str = "the CA file") -> ssl.SSLContext:
    """Those that the authorities in the file have signed; None: the system's authorities.

    Raises SettingsError, in which the file is `named` so, where it cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise SettingsError(f"{named} {ca_file} cannot be used: {error}") from error
