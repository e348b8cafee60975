"""Fills the configuration templates from the environment, then becomes Asterisk.

A template says @NAME@ where a value belongs (Asterisk's own ${NAME} stays untouched). Values whose name ends in ADDRESS
may be host names: they are looked up here, patiently, since in a compose network the other container may start later.
"""

import os
import re
import resource
import socket
import sys
import time
from pathlib import Path

TEMPLATES = Path("/lab/etc")
TARGET = Path("/etc/asterisk")
LOOKUP_S = 60

AGENT = """
[{extension}](agent)
aors = {extension}
[{extension}](agent-aor)
contact = sip:{extension}@{far_end}:{port}
"""


def address_of(name: str) -> str:
    deadline = time.monotonic() + LOOKUP_S
    while True:
        try:
            return socket.gethostbyname(name)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def open_files_allowed() -> int:
    """Each call holds several descriptors: take all that the engine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 100_000 if hard == resource.RLIM_INFINITY else min(hard, 100_000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def entity_id(address: str) -> str:
    """What tells Asterisks apart. Its own would be made of the network card, which all laboratories of a host share."""
    return ":".join(["02", "00", *(f"{int(part):02x}" for part in address.split("."))])


def agents(values: dict[str, str]) -> str:
    return "".join(
        AGENT.format(extension=1000 + n, far_end=values["FAR_END_ADDRESS"], port=values["FAR_END_SIP_PORT"])
        for n in range(1, int(values["AGENTS"]) + 1)
    )


def settings() -> dict[str, str]:
    values = dict(os.environ)
    values.update({name: address_of(value) for name, value in values.items() if name.endswith("ADDRESS")})
    values["MAX_FILES"] = str(open_files_allowed())
    values["ENTITY_ID"] = entity_id(values["LISTEN_ADDRESS"])
    if "AGENTS" in values:
        values["AGENT_ENDPOINTS"] = agents(values)
    return values


def main() -> None:
    values = settings()
    for template in TEMPLATES.glob("*.conf"):
        filled = re.sub(r"@([A-Z_]+)@", lambda name: values[name.group(1)], template.read_text())
        (TARGET / template.name).write_text(filled)
    os.execvp("asterisk", ["asterisk", "-f", "-n", *sys.argv[1:]])  # noqa: S606 - becoming Asterisk is the purpose


if __name__ == "__main__":
    main()
