"""The log: one fact a line, as JSON for machines or as text for people, with phone numbers masked wherever they stand.

Modules take `structlog.get_logger(__name__)`, ids are bound once where the work begins (`structlog.contextvars`), and
what libraries log through the standard library comes out in the same form.
"""

import logging
import sys
import traceback
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from structlog.types import EventDict, ExcInfo, Processor, WrappedLogger

from dialerd.privacy import mask_numbers_in
from dialerd.settings import LogSettings

FRAMES_SHOWN = 3
"""Of an exception: enough to find the place. Its text may hold anything, so it is masked like every other value."""

_CHATTY = ("aiohttp.access", "asyncio", "panoramisk", "swagger", "uvicorn")


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging. `stream` is standard error unless given."""
    out = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared = _shared_processors()
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_last_processors(settings, out)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _last_processors(settings: LogSettings, out: TextIO) -> list[Processor]:
    for_people = settings.format == "console" or (settings.format == "auto" and out.isatty())
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if for_people
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    return [shorten_exception, mask_numbers, renderer]


def shorten_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """`exc_info` becomes `error` (type and text) and `where` (the innermost frames): a traceback is not one line."""
    error = _exception(event.pop("exc_info", None))
    if error is not None:
        event["error"] = " | ".join(_described(leaf) for leaf in _leaves(error))
        event["where"] = _innermost_frames(error)
    return event


def _exception(exc_info: ExcInfo | BaseException | bool | None) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1]
    return sys.exc_info()[1] if exc_info else None


def _leaves(error: BaseException) -> list[BaseException]:
    """What a TaskGroup raises is a bundle; what happened is in it."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _described(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}".removesuffix(": ")
    cause = error.__cause__
    return f"{text}, because {_described(cause)}" if cause is not None else text


def _innermost_frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(_leaves(error)[0].__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-FRAMES_SHOWN:]]


def mask_numbers(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """No phone number leaves in a log, in whatever value it came and however deep."""
    return {key: _masked(value) for key, value in event.items()}


def _masked(value: object) -> Any:
    if isinstance(value, str):
        return mask_numbers_in(value)
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, Mapping):
        return {str(key): _masked(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(inner) for inner in value]
    return mask_numbers_in(str(value))
