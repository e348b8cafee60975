#!/usr/bin/env python3
"""The laboratory: a real Asterisk (the PBX) and a far end that plays the world, as two containers on loopback addresses.

`lab.py up` brings everything it needs: a docker engine if none runs (as root, from the distribution), the images (from
a registry, or from distribution packages if none can be reached), the containers. It may be run twice, interrupted, and
run for several laboratories side by side: laboratory N lives on 127.0.N.1 (PBX) and 127.0.N.2 (far end), on the
standard ports. The standard library is all it uses.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
STATE = REPOSITORY / "docker" / ".lab"
EMPTY_RECORD = REPOSITORY / "docker" / "far-end" / "calls.csv"
REGISTRY_BASE = "debian:sid-slim"
BASE_PACKAGES = ("asterisk", "ca-certificates", "python3")
ENGINE_FLAGS = ("--iptables=false", "--bridge=none")
"""All containers share the host's network, so that the engine needs neither netfilter nor a bridge."""

MEDIA = "/usr/share/asterisk/sounds/dialerd-media"
"""Where the PBX finds what daemons place in the folder of the laboratory."""

EX_UNAVAILABLE = 69
INTERRUPTED = 130


class LabFailed(Exception):
    """The laboratory cannot be brought up; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image built from files of the repository; its tag carries their hash, so a change rebuilds."""

    name: str
    dockerfile: str
    sources: tuple[str, ...]

    def files(self) -> list[Path]:
        roots = [REPOSITORY / source for source in self.sources]
        found = [path for root in roots for path in (root.rglob("*") if root.is_dir() else [root])]
        return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)

    def tag(self) -> str:
        digest = hashlib.sha256(base_tag().encode())
        for path in self.files():
            digest.update(str(path.relative_to(REPOSITORY)).encode() + b"\0" + path.read_bytes() + b"\0")
        return f"{self.name}:{digest.hexdigest()[:12]}"

    def stage(self, folder: Path) -> None:
        """Copy just these files: the repository around them may be large."""
        for path in self.files():
            copy = folder / path.relative_to(REPOSITORY)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)


PBX = Image(
    name="dialerd-lab-pbx",
    dockerfile="docker/asterisk/Dockerfile",
    sources=("docker/asterisk", "docker/both", "asterisk-config"),
)
FAR_END = Image(
    name="dialerd-lab-far-end",
    dockerfile="docker/far-end/Dockerfile",
    sources=("docker/far-end", "docker/both"),
)


@dataclass(frozen=True, kw_only=True)
class Container:
    name: str
    image: Image
    environment: dict[str, str]
    address: str
    ports: tuple[int, ...]
    """TCP ports that answer once the container is ready."""
    mounts: dict[str, str] = field(default_factory=dict)

    def recipe(self) -> str:
        """What the container was made of; another recipe makes another container."""
        made_of = json.dumps([self.image.tag(), self.environment, self.mounts], sort_keys=True)
        return hashlib.sha256(made_of.encode()).hexdigest()[:12]


@dataclass(frozen=True, kw_only=True)
class Laboratory:
    number: int
    agents: int

    @property
    def pbx_address(self) -> str:
        return f"127.0.{self.number}.1"

    @property
    def far_end_address(self) -> str:
        return f"127.0.{self.number}.2"

    @property
    def folder(self) -> Path:
        return STATE / str(self.number)

    @property
    def calls_csv(self) -> Path:
        return self.folder / "calls.csv"

    @property
    def heard(self) -> Path:
        """The sound of each call that was listened to."""
        return self.folder / "heard"

    @property
    def media(self) -> Path:
        """Sounds that a daemon places for the PBX."""
        return self.folder / "dialerd-media"

    def containers(self) -> list[Container]:
        return [self.far_end, self.pbx]

    @property
    def pbx(self) -> Container:
        return Container(
            name=f"dialerd-lab-{self.number}-pbx",
            image=PBX,
            environment={
                "LISTEN_ADDRESS": self.pbx_address,
                "FAR_END_ADDRESS": self.far_end_address,
                "AGENTS": str(self.agents),
            },
            address=self.pbx_address,
            ports=(5038, 8088),
            mounts={str(self.media): MEDIA},
        )

    @property
    def far_end(self) -> Container:
        return Container(
            name=f"dialerd-lab-{self.number}-far-end",
            image=FAR_END,
            environment={"LISTEN_ADDRESS": self.far_end_address, "PBX_ADDRESS": self.pbx_address},
            address=self.far_end_address,
            ports=(5038,),
            mounts={str(self.folder): "/calls"},
        )


# --- Commands of the system ------------------------------------------------------------------------------------------


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(*command: str, given: bytes | None = None, timeout_s: float | None = None) -> str:
    """Run to the end and return its output; raise LabFailed with what it said when it failed."""
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=timeout_s, check=False)
    except FileNotFoundError as missing:
        raise LabFailed(f"{command[0]} is not installed") from missing
    except subprocess.TimeoutExpired as late:
        raise LabFailed(f"{command[0]} took longer than {timeout_s:.0f} s") from late
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        raise LabFailed(f"{' '.join(command[:4])} failed:\n{said[-3000:]}")
    return done.stdout.decode(errors="replace").strip()


def succeeds(*command: str, timeout_s: float | None = None) -> bool:
    try:
        run(*command, timeout_s=timeout_s)
    except LabFailed:
        return False
    return True


@contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """A lock between runs of this script; the kernel releases it when a run is interrupted."""
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(*packages: str) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise LabFailed(f"please install {' '.join(packages)} (root and apt would do it by themselves), then try again")
    say(f"installing {' '.join(packages)}")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    wanted = ("apt-get", "install", "-y", "--no-install-recommends", *packages)
    if not succeeds(*wanted):
        run("apt-get", "update")
        run(*wanted)


# --- The engine ------------------------------------------------------------------------------------------------------


def engine_answers() -> bool:
    return succeeds("docker", "version", "--format", "{{.Server.Version}}", timeout_s=20)


def start_engine() -> None:
    """Start dockerd so that it outlives this script: under systemd where it runs, else by hand."""
    if Path("/run/systemd/system").is_dir():
        run("systemctl", "start", "docker")
        return
    log = STATE / "dockerd.log"
    say(f"starting dockerd (its log: {log})")
    with log.open("ab") as output:
        subprocess.Popen(
            ("dockerd", *ENGINE_FLAGS),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def ensure_engine() -> None:
    if engine_answers():
        return
    if os.geteuid() != 0:
        raise LabFailed("no docker engine answers. Start one and let this user use it (group docker), or run as root.")
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        install("docker.io", *(() if shutil.which("docker") else optional_packages("docker-cli")))
    if engine_answers():  # the package's own installation may have started it
        return
    start_engine()
    until(engine_answers, timeout_s=60, what="the docker engine")


def optional_packages(*packages: str) -> tuple[str, ...]:
    """Those of the packages that this distribution knows: newer ones ship the docker client on its own."""
    return tuple(package for package in packages if succeeds("apt-cache", "show", package))


def until(happens: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not happens():
        if time.monotonic() > deadline:
            raise LabFailed(f"{what} did not come up within {timeout_s:.0f} s")
        time.sleep(0.2)


# --- Images ----------------------------------------------------------------------------------------------------------


def base_tag() -> str:
    recipe = hashlib.sha256(" ".join((REGISTRY_BASE, *BASE_PACKAGES)).encode()).hexdigest()[:12]
    return f"dialerd-lab-base:{recipe}"


def image_exists(tag: str) -> bool:
    return succeeds("docker", "image", "inspect", tag)


def build_base() -> None:
    if image_exists(base_tag()):
        return
    if succeeds("docker", "pull", REGISTRY_BASE, timeout_s=60):
        build_base_from_registry()
    else:
        say("no image registry in reach: making the base image from distribution packages (about a minute)")
        build_base_from_packages()


def build_base_from_registry() -> None:
    say(f"making the base image from {REGISTRY_BASE}")
    packages = " ".join(BASE_PACKAGES)
    recipe = f"FROM {REGISTRY_BASE}\nRUN apt-get update && apt-get install -y --no-install-recommends {packages}\n"
    run("docker", "build", "--network", "host", "-t", base_tag(), "-", given=recipe.encode())


def build_base_from_packages() -> None:
    if shutil.which("mmdebstrap") is None:
        install("mmdebstrap", "debian-archive-keyring")
    root_file_system = STATE / f"base-{os.getpid()}.tar"
    try:
        run(
            "mmdebstrap",
            "--variant=minbase",
            f"--include={','.join(BASE_PACKAGES)}",
            # A mirror's copy of unstable may be older than its signature allows.
            '--aptopt=Acquire::Check-Valid-Until "false"',
            "unstable",
            str(root_file_system),
        )
        run("docker", "import", str(root_file_system), base_tag())
    finally:
        root_file_system.unlink(missing_ok=True)


def build(image: Image) -> None:
    tag = image.tag()
    if image_exists(tag):
        return
    say(f"building {tag}")
    with tempfile.TemporaryDirectory() as context:
        image.stage(Path(context))
        options = (
            "--network=host",
            f"--build-arg=BASE={base_tag()}",
            f"--file={context}/{image.dockerfile}",
            f"--tag={tag}",
        )
        run("docker", "build", *options, context)


def build_all() -> None:
    with one_at_a_time("build"):
        ensure_engine()
        build_base()
        for image in (PBX, FAR_END):
            build(image)


# --- Containers ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ContainerState:
    status: str
    """Docker's word: created, running, paused, exited ..."""
    health: str
    recipe: str


def state_of(container: Container) -> ContainerState | None:
    """None if there is no such container."""
    shape = '{{.State.Status}} {{.State.Health.Status}} {{index .Config.Labels "dialerd.recipe"}}'
    try:
        said = run("docker", "inspect", "--type", "container", "--format", shape, container.name)
    except LabFailed:
        return None
    status, health, recipe = said.split(" ", 2)
    return ContainerState(status=status, health=health, recipe=recipe)


def start(container: Container) -> None:
    """Run the container, unless it already runs as it should; one of another recipe, or ended, or frozen is replaced."""
    state = state_of(container)
    if state is not None and state.status == "running" and state.recipe == container.recipe():
        return
    remove(container)
    settings = [f"--env={name}={value}" for name, value in container.environment.items()]
    mounts = [f"--volume={outside}:{inside}" for outside, inside in container.mounts.items()]
    labels = [f"--label=dialerd.recipe={container.recipe()}"]
    fixed = ["--detach", "--network=host", "--restart=no", "--log-opt=max-size=20m", f"--name={container.name}"]
    run("docker", "run", *fixed, *labels, *settings, *mounts, container.image.tag())


def remove(container: Container) -> None:
    if state_of(container) is not None:
        run("docker", "rm", "--force", container.name)


def is_ready(container: Container) -> bool:
    state = state_of(container)
    if state is None or state.status != "running":
        raise LabFailed(f"{container.name} has ended:\n{last_words(container)}")
    listens = all(answers(container.address, port) for port in container.ports)
    return listens and (state.health == "healthy" or fully_booted(container))


def fully_booted(container: Container) -> bool:
    return succeeds("docker", "exec", container.name, "asterisk", "-rx", "core waitfullybooted", timeout_s=20)


def answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def last_words(container: Container) -> str:
    done = subprocess.run(("docker", "logs", "--tail", "30", container.name), capture_output=True, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")


def open_record(lab: Laboratory) -> None:
    """The far end runs as another user than we do: it appends to a file, and writes into a folder, that we make.

    A record with other columns than today's is begun anew.
    """
    lab.media.mkdir(parents=True, exist_ok=True)
    lab.media.chmod(0o755)
    lab.heard.mkdir(parents=True, exist_ok=True)
    lab.heard.chmod(0o777)
    if not lab.calls_csv.exists() or not lab.calls_csv.read_bytes().startswith(EMPTY_RECORD.read_bytes()):
        shutil.copy(EMPTY_RECORD, lab.calls_csv)
    lab.calls_csv.chmod(0o666)


def up(lab: Laboratory) -> None:
    build_all()
    with one_at_a_time(str(lab.number)):
        open_record(lab)
        for container in lab.containers():
            start(container)
        for container in lab.containers():
            until(partial(is_ready, container), timeout_s=60, what=container.name)
    print(addresses(lab))


def down(lab: Laboratory) -> None:
    with one_at_a_time(str(lab.number)):
        for container in lab.containers():
            remove(container)


def listen(lab: Laboratory) -> None:
    """Become the far end's ear (docker/both/ear.py); it ends when standard input does."""
    become_ear(lab)


def hear(lab: Laboratory) -> None:
    """Become an ear that only notes when the first sound of each call came."""
    become_ear(lab, "--first")


def become_ear(lab: Laboratory, *options: str) -> None:
    command = ("docker", "exec", "--interactive", "--user=root", lab.far_end.name, "python3", "/lab/ear.py", *options)
    os.execvp(command[0], command)  # noqa: S606 - becoming docker is the purpose


def status(lab: Laboratory) -> None:
    for container in lab.containers():
        print(f"{container.name:28} {described(container)}")


def described(container: Container) -> str:
    state = state_of(container)
    if state is None:
        return "absent"
    return state.status if state.recipe == container.recipe() else f"{state.status}, outdated: run up"


def addresses(lab: Laboratory) -> str:
    facts = {
        "lab": str(lab.number),
        "pbx_sip": f"{lab.pbx_address}:5060",
        "pbx_ami": f"{lab.pbx_address}:5038",
        "pbx_ari": f"http://{lab.pbx_address}:8088/ari",
        "far_end_sip": f"{lab.far_end_address}:5060",
        "far_end_ami": f"{lab.far_end_address}:5038",
        "agents": f"1001-{1000 + lab.agents}",
        "calls_csv": str(lab.calls_csv),
        "heard": str(lab.heard),
        "media": str(lab.media),
    }
    return "\n".join(f"{name}={value}" for name, value in facts.items())


COMMANDS: dict[str, Callable[[Laboratory], None]] = {
    "up": up,
    "down": down,
    "status": status,
    "listen": listen,
    "hear": hear,
    "build": lambda _: build_all(),
}


def lab_number(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 254:
        raise argparse.ArgumentTypeError("a laboratory's number is 1 to 254")
    return number


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("--lab", type=lab_number, default=50, metavar="N", help="lives on 127.0.N.1 and 127.0.N.2")
    parser.add_argument("--agents", type=int, default=120, help="how many agents' phones the PBX knows, from 1001 on")
    options = parser.parse_args()
    try:
        COMMANDS[options.command](Laboratory(number=options.lab, agents=options.agents))
    except (LabFailed, PermissionError) as failed:
        say(f"lab: {failed}")
        return EX_UNAVAILABLE
    except KeyboardInterrupt:
        say("lab: interrupted; run it again to go on")
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
