"""The settings of a daemon and its commands: what can be set, where it may come from, and what is wrong, all at once.

Where a value comes from, a later place wins over an earlier one:

1. the defaults below;
2. a TOML file: `/etc/dialerd/dialerd.toml` if it is there, or the one named by `--config` or `DIALERD_CONFIG`;
3. systemd credentials: the files of `$CREDENTIALS_DIRECTORY`, named like `ami__secret`;
4. the environment: `DIALERD_AMI__SECRET`, that is the prefix, the group and the field.

Lengths of time are seconds where they are bare numbers, or carry their unit: `500ms`, `15s`, `2m`, `1h`, `30d`.
"""

import os
import re
import socket
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnreadableValue

from dialerd.errors import SettingsError
from dialerd.toml_file import UnreadableToml, read_toml

SYSTEM_FILE = Path("/etc/dialerd/dialerd.toml")
SYSTEM_STATE = Path("/var/lib/dialerd")
ENV_PREFIX = "DIALERD_"
CONFIG_VARIABLE = "DIALERD_CONFIG"
LONGEST_FILE = 64 * 1024
"""Bytes of the file; a daemon that is told to read it again has calls to serve meanwhile."""

_UNITS = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|)")
_DIAL_TEMPLATE = re.compile(r"[A-Za-z0-9]+/[\w.@:/+*#-]*\{(?:digits|e164)\}[\w.@:/+-]*", re.ASCII)


def _length_of_time(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str):
        return value
    written = _LENGTH.fullmatch(value.strip().lower())
    if not written:
        raise ValueError("a number of seconds, or a number with ms, s, m, h or d")
    try:
        return timedelta(seconds=float(written[1]) * _UNITS[written[2]])
    except OverflowError:
        raise ValueError("a time that ends before the end of the world") from None


def _state_dir() -> Path:
    """Where a service keeps its state; for somebody who merely tries dialerd, a place of their own."""
    if os.geteuid() == 0 or os.access(SYSTEM_STATE, os.W_OK):
        return SYSTEM_STATE
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "dialerd"


def _node_id() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:64] or "dialerd"


def _no_number(value: object) -> object:
    """To Python a number is an address, too, and `false` is 0.0.0.0."""
    if isinstance(value, int):
        raise ValueError("a network in quotation marks, like 10.20.0.0/24")
    return value


Length = Annotated[timedelta, BeforeValidator(_length_of_time)]
Port = Annotated[int, Field(ge=1, le=65535)]
_NAME = r"^[A-Za-z0-9._-]{1,64}$"


class _Group(BaseModel):
    """A table of the file. A key that is not listed is a mistyped one, and an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, ser_json_timedelta="float")


class DatabaseSettings(_Group):
    dsn: SecretStr | None = None
    """Where Postgres is: `postgresql://user:password@host:5432/dialerd`. Unset: its own in `state_dir`."""
    state_dir: Path = Field(default_factory=_state_dir)
    """Folder of the embedded Postgres: `/var/lib/dialerd`, or `~/.local/state/dialerd` for who may not write there."""
    pool_size: Annotated[int, Field(ge=2, le=100)] = 10
    """Connections kept open. A call needs one for some milliseconds: ten carry far more than twenty calls a second."""

    @field_validator("dsn")
    @classmethod
    def _names_postgres(cls, dsn: SecretStr | None) -> SecretStr | None:
        if dsn is None or not dsn.get_secret_value():
            return None
        if not dsn.get_secret_value().startswith(("postgresql:/", "postgres:/")):
            raise ValueError("begins with postgresql://")
        return dsn


class AmiSettings(_Group):
    host: str = "127.0.0.1"
    """Asterisk's manager interface. It is not made for networks: same host, or TLS."""
    port: Port = 5038
    """5038 without TLS, by custom 5039 with it."""
    user: str = "dialerd"
    secret: SecretStr = SecretStr("")
    """The user's secret in manager.conf. Best given as systemd credential `ami__secret`."""
    tls: bool = False
    """Whether the port speaks TLS. Needed as soon as the two are on different hosts."""
    tls_ca: Path | None = None
    """Certificates to trust (PEM), where Asterisk's is not signed by one that the system trusts."""
    keepalive: Annotated[Length, Field(ge=timedelta(seconds=1), le=timedelta(minutes=1))] = timedelta(seconds=2)
    """Time between signs of life. After two missed ones nothing is dialed: a half-open connection looks alive."""
    connect_timeout: Annotated[Length, Field(ge=timedelta(seconds=1), le=timedelta(minutes=1))] = timedelta(seconds=5)
    """Deadline of connecting and of each step of the login, before the next try."""


class AriSettings(_Group):
    base_url: str = "http://127.0.0.1:8088"
    """Asterisk's HTTP server, without the `/ari`."""
    user: str = "dialerd"
    password: SecretStr = SecretStr("")
    """The user's password in ari.conf. Best given as systemd credential `ari__password`."""
    tls_ca: Path | None = None
    """Certificates to trust (PEM) behind an https:// address, where the system does not trust Asterisk's already."""
    app: Annotated[str, Field(pattern=_NAME)] = "dialerd"
    """Name of the Stasis application. Two dialers on one Asterisk need two names."""

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", url):
            raise ValueError("begins with http:// or https:// and names a host, without user and password")
        return url.rstrip("/").removesuffix("/ari")


def _dials_one_number(template: str) -> str:
    # An ampersand would dial a second destination, a comma add options: nothing but one channel may be named here.
    if not _DIAL_TEMPLATE.fullmatch(template):
        raise ValueError("one channel with {digits} or {e164} in it once, like PJSIP/{digits}@carrier")
    return template


DialTemplate = Annotated[str, AfterValidator(_dials_one_number)]
CallsPerSecond = Annotated[float, Field(gt=0, le=1000)]


class BackupTrunk(_Group):
    name: Annotated[str, Field(pattern=_NAME)]
    """What people call it, in the call log and the metrics."""
    dial_template: DialTemplate
    max_calls_per_second: CallsPerSecond = 20.0


class TrunkSettings(_Group):
    name: Annotated[str, Field(pattern=_NAME)] = "carrier"
    """What people call it, in the call log and the metrics."""
    dial_template: DialTemplate = "PJSIP/{digits}@carrier"
    """How a number is dialed: `{digits}` becomes the number without its plus sign, `{e164}` the number with it."""
    max_calls_per_second: CallsPerSecond = 20.0
    """What the carrier takes from this node, whatever the campaigns wish together. One campaign may set up to 20."""
    backups: tuple[BackupTrunk, ...] = ()
    """Other trunks, the preferred one first: calls go by them while this one fails, or takes fewer calls than are to be made."""

    @field_validator("backups")
    @classmethod
    def _have_names_of_their_own(
        cls, backups: tuple[BackupTrunk, ...], info: ValidationInfo
    ) -> tuple[BackupTrunk, ...]:
        names = [info.data.get("name"), *(backup.name for backup in backups)]
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two trunks are called {', '.join(twice)}: each needs a name of its own")
        return backups


class DialerSettings(_Group):
    node_id: Annotated[str, Field(pattern=_NAME)] = Field(default_factory=_node_id)
    """Tells daemons of one database apart. The host's name, so that a restarted daemon knows its own calls again."""
    lease_duration: Annotated[Length, Field(ge=timedelta(seconds=3), le=timedelta(minutes=5))] = timedelta(seconds=6)
    """How long a campaign stays with a silent daemon. Shorter moves it sooner, longer forgives a slower database. Another daemon on
    the same Asterisk takes the calls over after that time, too, if the silent one gives no sign there, either."""
    rescue_after: Annotated[Length, Field(ge=timedelta(seconds=10), le=timedelta(hours=1))] = timedelta(seconds=60)
    """When the calls of a daemon that the database does not hear of are another's on the same Asterisk, whatever sign it gives there:
    nothing stays stuck for more than a minute."""
    give_up_after: Annotated[Length, Field(ge=timedelta(minutes=1), le=timedelta(days=7))] = timedelta(hours=2)
    """When the calls of a silent daemon on another Asterisk end as `unknown`: they cannot be looked for, and may still talk."""
    spool_dir: Path | None = None
    """Folder for what the database cannot take while it is away, on a disk that lasts. Unset: `spool` in `database.state_dir`."""
    drain_timeout: Annotated[Length, Field(ge=timedelta(0), le=timedelta(minutes=10))] = timedelta(seconds=5)
    """How long a stopping daemon waits for unanswered calls. Talks go on without it, so it need not wait for them."""
    resync_interval: Annotated[Length, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))] = timedelta(seconds=30)
    """How often calls and queues are compared with Asterisk even if no event was missed."""
    message_sound: Annotated[str, Field(pattern=r"^[\w/.-]{0,200}$")] = ""
    """Sound that a lead hears when nobody can take the call, as Asterisk names sounds. Empty: the dialplan's own."""
    hold_margin: Annotated[Length, Field(ge=timedelta(seconds=1), le=timedelta(minutes=1))] = timedelta(seconds=5)
    """On top of the agent dial timeout: a lead held longer is taken back by the dialplan, for its daemon is dead."""


class HttpSettings(_Group):
    host: str = "127.0.0.1"
    """Where /metrics, /healthz and /readyz listen. They ask for no password: nothing but this host by default."""
    port: Port = 9109


class WebSettings(_Group):
    host: str = "127.0.0.1"
    """Where the API and the portal listen (`dialerd web`, `dialerd run --with-web`). Beyond this host only with TLS: its own, or that
    of a reverse proxy in front of it (docs/operations.md)."""
    port: Port = 8080
    metrics_port: Port | None = None
    """Where `dialerd web` shows its /metrics, on `http.host`; by custom 9111. Unset: nowhere. With `dialerd run --with-web` they are among
    the daemon's."""
    tls_cert: Path | None = None
    """Certificate chain (PEM) to serve HTTPS with; with `tls_key`."""
    tls_key: Path | None = None
    behind_proxy: bool = False
    """Whether a reverse proxy on this host speaks to the browsers: its X-Forwarded-For and -Proto are believed, and nobody else's."""
    hosts: tuple[Annotated[str, Field(pattern=r"^([a-z0-9._-]{1,253}|\[[0-9a-f:.]+\])$")], ...] = ()
    """Names or addresses by which browsers and programs call it, in lower case and without port: others are turned away. None: any."""
    session_lifetime: Annotated[Length, Field(ge=timedelta(minutes=1), le=timedelta(days=30))] = timedelta(hours=12)
    """After which somebody signs in anew."""
    requests_per_minute: Annotated[int, Field(ge=10, le=1_000_000)] = 1200
    """From one user or token; a sign-in counts for sixty."""
    largest_upload: Annotated[int, Field(ge=2**20, le=2**32)] = 256 * 2**20
    """Bytes of a file of leads, numbers or sound."""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:  # noqa: N804 - pydantic's own decorator makes it none
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key: name both, or neither")
        return self


class HooksSettings(_Group):
    host: str = "127.0.0.1"
    """Where the dialplan's hooks are answered (docs/hooks.md). They ask for no password: nothing but this host by default."""
    port: Port | None = None
    """9110 by custom, which the dialplan assumes. Unset: there are no hooks."""
    callback_within: Annotated[Length, Field(ge=timedelta(minutes=1), le=timedelta(days=3650))] = timedelta(days=30)
    """How long after a campaign's last call to a lead a call from there is still recognized, if the campaign does not go on."""


class LogSettings(_Group):
    format: Literal["json", "console", "auto"] = "auto"
    """`auto` is lines for people on a terminal, and JSON elsewhere."""
    level: Literal["debug", "info", "warning", "error", "critical"] = "info"


class CrmSettings(_Group):
    group: ClassVar[str] = "crm"

    secrets: dict[Annotated[str, Field(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$", max_length=64)], SecretStr] = Field(
        default_factory=dict
    )
    """What `{secret:NAME}` in a header stands for. Best given as systemd credential `crm__secrets__name`."""
    allowed_networks: tuple[Annotated[IPvAnyNetwork, BeforeValidator(_no_number)], ...] = ()
    """Networks (CIDR) that may be asked although they are private, like 10.20.0.0/24. Others than public ones may not."""
    tls_ca: Path | None = None
    """Certificates to trust (PEM), where a CRM's is not signed by one that the system trusts."""
    connect_timeout: Annotated[Length, Field(ge=timedelta(seconds=1), le=timedelta(minutes=1))] = timedelta(seconds=10)
    idle_timeout: Annotated[Length, Field(ge=timedelta(seconds=1), le=timedelta(minutes=5))] = timedelta(seconds=30)
    """Longest silence of a CRM, before its answer and within it."""
    timeout: Annotated[Length, Field(ge=timedelta(seconds=1), le=timedelta(minutes=9))] = timedelta(minutes=2)
    """What a CRM may take for all pages of a sync together, retries too. An upload has ten minutes in the database."""
    tries: Annotated[int, Field(ge=1, le=10)] = 3
    """How often a page is asked for that does not come. Only by GET: whether a POST was carried out is not known."""
    longest_wait: Annotated[Length, Field(ge=timedelta(0), le=timedelta(minutes=5))] = timedelta(seconds=30)
    """Longest pause before the next try. A CRM that asks for more (Retry-After) is left alone."""
    max_answer_mb: Annotated[int, Field(ge=1, le=256)] = 32
    """Megabytes of one page, uncompressed. In memory a hostile one takes twenty times as much."""
    max_total_mb: Annotated[int, Field(ge=1, le=4096)] = 256
    """Megabytes of all pages of a sync, uncompressed."""
    max_depth: Annotated[int, Field(ge=2, le=200)] = 32
    """Lists and objects within one another."""
    max_leads: Annotated[int, Field(ge=1, le=1_000_000)] = 200_000
    """Leads of a sync, as many as an upload may have."""
    max_pages: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """Pages of a sync. What has more is more likely to go round in a circle."""

    @field_validator("secrets", mode="before")
    @classmethod
    def _named_alike(cls, secrets: object) -> object:
        # The environment writes names in capitals, credentials as they are: a header means the same one by either.
        return {str(name).lower(): secret for name, secret in secrets.items()} if isinstance(secrets, dict) else secrets


class WebhookSettings(_Group):
    group: ClassVar[str] = "webhooks"
    tries: ClassVar[int] = 1
    longest_wait: ClassVar[timedelta] = timedelta(0)
    max_answer_mb: ClassVar[int] = 1
    max_total_mb: ClassVar[int] = 1

    allowed_networks: tuple[Annotated[IPvAnyNetwork, BeforeValidator(_no_number)], ...] = ()
    """Networks (CIDR) that may be told although they are private, like 10.20.0.0/24. Others than public ones may not."""
    tls_ca: Path | None = None
    """Certificates to trust (PEM), where a receiver's is not signed by one that the system trusts."""
    connect_timeout: Annotated[Length, Field(ge=timedelta(seconds=1), le=timedelta(seconds=20))] = timedelta(seconds=5)
    idle_timeout: Annotated[Length, Field(ge=timedelta(seconds=1), le=timedelta(seconds=30))] = timedelta(seconds=10)
    """Longest silence of a receiver, before its answer and within it."""
    timeout: Annotated[Length, Field(ge=timedelta(seconds=1), le=timedelta(seconds=30))] = timedelta(seconds=15)
    """What a receiver may take for one event. Then it is tried again later."""
    give_up_after: Annotated[Length, Field(ge=timedelta(minutes=1), le=timedelta(days=7))] = timedelta(hours=24)
    """How long an event is tried again and again; then it is a dead letter, which people can have sent once more."""
    keep_for: Annotated[Length, Field(ge=timedelta(minutes=1), le=timedelta(days=365))] = timedelta(days=7)
    """How long events are kept once they are told: a live feed can go on where it broke off. Dead letters are kept for thirty days."""


class MediaSettings(_Group):
    folder: Path | None = None
    """Folder `dialerd-media` among the sounds of Asterisk, such as /usr/share/asterisk/sounds/dialerd-media, into which the daemon may
    write: sounds that people upload are placed there. The same at the web server. Unset: nobody can upload sounds."""

    @field_validator("folder")
    @classmethod
    def _is_called_so(cls, folder: Path | None) -> Path | None:
        """Sounds are named by it; and files that no medium has are removed from it."""
        if folder is not None and not (folder.is_absolute() and folder.name == "dialerd-media"):
            raise ValueError("an absolute path that ends in /dialerd-media, since the sounds are named by it")
        return folder


class RecordingsSettings(_Group):
    keep_for: Annotated[Length, Field(ge=timedelta(minutes=1), le=timedelta(days=36500))] | None = None
    """A recording is deleted from Asterisk when it is so old. None (in text: `none`): dialerd deletes none."""
    look_after: Annotated[Length, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))] = timedelta(seconds=2)
    """From a call's end until its recording is looked for: Asterisk closes the file a moment later."""

    @field_validator("keep_for", mode="before")
    @classmethod
    def _none_is_a_word(cls, written: object) -> object:
        return None if isinstance(written, str) and written.strip().lower() == "none" else written


class ComplianceSettings(_Group):
    profile_file: Path | None = None
    """A compliance profile of one's own (TOML, see docs/compliance.md), beside those that dialerd brings along."""


class Settings(BaseSettings):
    """Every group. Made by hand it knows nothing but its arguments and the defaults; `load` asks the sources."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    ami: AmiSettings = Field(default_factory=AmiSettings)
    ari: AriSettings = Field(default_factory=AriSettings)
    trunk: TrunkSettings = Field(default_factory=TrunkSettings)
    dialer: DialerSettings = Field(default_factory=DialerSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    web: WebSettings = Field(default_factory=WebSettings)
    hooks: HooksSettings = Field(default_factory=HooksSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    compliance: ComplianceSettings = Field(default_factory=ComplianceSettings)
    crm: CrmSettings = Field(default_factory=CrmSettings)
    webhooks: WebhookSettings = Field(default_factory=WebhookSettings)
    recordings: RecordingsSettings = Field(default_factory=RecordingsSettings)
    media: MediaSettings = Field(default_factory=MediaSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    def require_asterisk(self) -> None:
        """Raises SettingsError unless both logins are there: what only touches the database can do without."""
        missing = [
            name
            for name, secret in (("ami.secret", self.ami.secret), ("ari.password", self.ari.password))
            if not secret.get_secret_value()
        ]
        if missing:
            raise SettingsError(
                _listed(
                    [f"{name}: missing; set it in {_how_to_set(name)}, a credential or the file" for name in missing]
                )
            )


@dataclass(frozen=True, kw_only=True)
class _Source:
    """What one place says, and how a key of it is called in a message."""

    values: dict[str, Any]
    prefix: str
    separator: str
    upper: bool = False

    def place_of(self, path: tuple[str, ...]) -> str | None:
        """Where this source says something about the key; None where it does not."""
        here: Any = self.values
        for step in path:
            if isinstance(here, list):  # what is wrong with one of its entries is told as the entry's number
                here = dict(zip(map(str, range(len(here))), here, strict=True))
            if not isinstance(here, dict) or step not in here:
                return None
            here = here[step]
        name = self.separator.join(path)
        return self.prefix + (name.upper() if self.upper else name)


def load(config: Path | None = None) -> Settings:
    """The settings from all sources. Raises SettingsError that lists every problem with the place where it stands."""
    sources = [_environment(), _credentials(), _file(_chosen_file(config))]
    merged: dict[str, Any] = {}
    for source in reversed(sources):
        merged = _merge(merged, source.values)
    problems = _unknown_variables()
    try:
        settings = Settings(**merged)
    except ValidationError as invalid:
        problems += [_sentence(error, sources) for error in invalid.errors(include_url=False, include_input=False)]
    else:
        if not problems:
            return settings
    raise SettingsError(_listed(problems))


def changed_fields(old: Settings, new: Settings) -> set[str]:
    """The names, like `log.level`, of all that is set differently; never the values, since some are secret."""
    return {
        f"{group}.{field}"
        for group in Settings.model_fields
        for field, value in getattr(old, group)
        if value != getattr(getattr(new, group), field)
    }


def _chosen_file(config: Path | None) -> Path | None:
    """The file that was asked for must be there; the usual one may be missing."""
    named = config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    return named or (SYSTEM_FILE if SYSTEM_FILE.exists() else None)


def _file(path: Path | None) -> _Source:
    if path is None:
        return _Source(values={}, prefix="", separator=".")
    try:
        values = read_toml(path, longest=LONGEST_FILE)
    except UnreadableToml as why:
        raise SettingsError(f"{path}: {why}") from None
    return _Source(values=values, prefix=f"{path}: ", separator=".")


def _credentials() -> _Source:
    """pydantic's own secrets_dir passes nested names over without a word; its nested sibling does not."""
    source = NestedSecretsSettingsSource(
        InitSettingsSource(Settings, {}),
        secrets_dir=os.environ.get("CREDENTIALS_DIRECTORY") or None,
        secrets_dir_missing="ok",
        secrets_prefix="",
        secrets_nested_delimiter="__",
    )
    return _Source(values=_read(source), prefix="credential ", separator="__")


def _environment() -> _Source:
    source = EnvSettingsSource(Settings, env_prefix=ENV_PREFIX, env_nested_delimiter="__")
    return _Source(values=_read(source), prefix=ENV_PREFIX, separator="__", upper=True)


def _read(source: PydanticBaseSettingsSource) -> dict[str, Any]:
    try:
        return source()
    except (UnreadableValue, OSError, UnicodeDecodeError) as failure:
        raise SettingsError(f"{failure}; set single fields, like {_how_to_set('ami.host')}") from None


def _unknown_variables() -> list[str]:
    """A mistyped field is told by its group; a mistyped group is nobody's, and would be passed over."""
    groups = tuple(f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields)
    return [
        f"{name}: there is no such group of settings; the groups are {', '.join(Settings.model_fields)}"
        for name in sorted(os.environ)
        if name.startswith(ENV_PREFIX) and "__" in name and name.partition("__")[0] not in groups
    ]


def _merge(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _sentence(error: ErrorDetails, sources: list[_Source]) -> str:
    """The strongest place that says something about the key is the one to mend."""
    path = tuple(str(step) for step in error["loc"])
    places = (source.place_of(path) for source in sources)
    place = next((place for place in places if place), ".".join(path))
    return f"{place}: {_why(error)}"


def _why(error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such setting; is it mistyped?"
    return error["msg"].removeprefix("Value error, ").replace("Input should be", "should be")


def _how_to_set(name: str) -> str:
    return f"{ENV_PREFIX}{name.replace('.', '__').upper()}"


def _listed(problems: list[str]) -> str:
    return "\n".join(["the settings cannot be used:", *(f"  - {problem}" for problem in problems)])
