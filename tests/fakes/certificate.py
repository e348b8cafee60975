"""A certificate for 127.0.0.1 that only who is given its file trusts; made anew for each run, so that no key is kept."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Certificate:
    path: str
    key: str

    @classmethod
    def made_in(cls, folder: Path) -> Self:
        made = cls(path=str(folder / "cert.pem"), key=str(folder / "key.pem"))
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-days", "2", "-subj", "/CN=asterisk.test", "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", made.key, "-out", made.path),
            ],
            check=True,
            capture_output=True,
        )
        return made

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key)
        return context
