"""Whose certificates are trusted where dialerd connects to somebody, and how long one of its own lasts."""

import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
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


def ends_at(certificate: Path, key: Path) -> datetime:
    """When a certificate of ours ends, as who connects is told. Raises OSError (also ssl.SSLError) where the two cannot be used, or where
    it has ended."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=certificate)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # whoever has signed it
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(there, back, server_side=True)
    theirs = client.wrap_bio(back, there)
    told: Mapping[str, object] | None = None
    while not told:
        for side in (theirs, ours):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
        with suppress(ValueError):  # not told yet
            told = theirs.getpeercert()
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(told["notAfter"])), UTC)
