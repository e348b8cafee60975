import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog

from dialerd.log import configure
from dialerd.settings import LogSettings


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logging_to(stream: io.StringIO, **settings: Any) -> Any:
    configure(LogSettings(**settings), stream)
    return structlog.get_logger("dialerd.test")


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_fact_is_one_line_of_json_with_the_ids_that_were_bound() -> None:
    stream = io.StringIO()
    log = logging_to(stream)
    with structlog.contextvars.bound_contextvars(campaign=7):
        log.info("call_placed", dial_mode="progressive")
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "call_placed",
        "campaign": 7,
        "dial_mode": "progressive",
        "level": "info",
        "logger": "dialerd.test",
    }


def test_no_phone_number_gets_out_wherever_it_stands() -> None:
    stream = io.StringIO()
    log = logging_to(stream)
    log.info("to +12025550123", channel="PJSIP/12025550123@carrier", deep={"in": ["+442079460123", ("+442079460123",)]})
    try:
        raise ValueError("+12025550123 is odd")
    except ValueError as odd:
        log.exception("failed", cause=odd)
    logging.getLogger("library").warning("dialing %s", "+12025550123")
    assert "5550123" not in stream.getvalue()
    assert "79460123" not in stream.getvalue()
    assert "+120****0123" in stream.getvalue()


def test_an_exception_is_one_line_with_its_cause_and_its_place() -> None:
    stream = io.StringIO()
    log = logging_to(stream)
    try:
        try:
            raise OSError("the wire is cut")
        except OSError as cause:
            raise RuntimeError("no answer") from cause
    except RuntimeError:
        log.exception("failed")
    (line,) = lines(stream)
    assert line["error"] == "RuntimeError: no answer, because OSError: the wire is cut"
    assert "test_an_exception_is_one_line" in line["where"][-1]


def test_of_a_bundle_each_error_is_told() -> None:
    stream = io.StringIO()
    log = logging_to(stream)

    async def fails(why: str) -> None:
        raise ValueError(why)

    async def both() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fails("one"))
            tasks.create_task(fails("two"))

    with pytest.raises(ExceptionGroup) as bundle:
        asyncio.run(both())
    log.error("failed", exc_info=bundle.value)
    assert lines(stream)[0]["error"] == "ValueError: one | ValueError: two"


@pytest.mark.parametrize(
    ("wanted", "stream", "is_json"),
    [
        ("auto", io.StringIO(), True),
        ("auto", Terminal(), False),
        ("json", Terminal(), True),
        ("console", io.StringIO(), False),
    ],
)
def test_auto_is_text_for_a_terminal_and_json_elsewhere(
    wanted: Literal["json", "console", "auto"], stream: io.StringIO, is_json: bool
) -> None:
    logging_to(stream, format=wanted).info("dialerd_started")
    assert "dialerd_started" in stream.getvalue()
    assert stream.getvalue().startswith("{") is is_json


def test_the_level_holds_for_libraries_too_and_the_chatty_ones_are_quieter() -> None:
    stream = io.StringIO()
    log = logging_to(stream, level="info")
    log.debug("hidden")
    logging.getLogger("library").debug("hidden")
    logging.getLogger("uvicorn.error").info("hidden")
    logging.getLogger("library").info("seen")
    assert [line["event"] for line in lines(stream)] == ["seen"]
