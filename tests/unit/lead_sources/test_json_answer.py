import json
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialerd.lead_sources.json_answer import NotJson, decoded

DEPTH = 32

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def refusal(body: bytes, charset: str | None = None, *, depth: int = DEPTH) -> str:
    with pytest.raises(NotJson) as told:
        decoded(body, charset=charset, max_depth=depth)
    return str(told.value)


@given(plain)
def test_what_is_json_is_read_as_it_was_meant(value: Any) -> None:
    assert decoded(json.dumps(value).encode(), max_depth=DEPTH) == value


@given(st.binary(max_size=200), st.sampled_from([None, "utf-8", "utf-16", "iso-8859-1", "rot13"]))
def test_whatever_comes_is_a_value_or_a_reason(body: bytes, charset: str | None) -> None:
    try:
        value = decoded(body, charset=charset, max_depth=DEPTH)
    except NotJson:
        return
    assert value is None or isinstance(value, bool | int | float | str | list | dict)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"<html>Log in</html>", "is not JSON (line 1, column 1)"),
        (b'{"a": 1', "is not JSON"),
        (b'[1]\n{"a": 1}', "is not JSON (line 2, column 1)"),
        (b"[NaN]", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b'{"number": "1", "number": "2"}', "'number' twice"),
        (b'["\xff"]', "is not utf-8"),
        (b'"\x00', "is not JSON"),
    ],
)
def test_what_is_none_is_refused_with_the_reason(body: bytes, why: str) -> None:
    assert why in refusal(body)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_lists_within_lists_are_refused_however_many_there_are(opening: bytes) -> None:
    assert "crm.max_depth" in refusal(opening * 1_000_000)
    closing = b"]" if opening == b"[" else b"}"
    assert "crm.max_depth" in refusal(opening * 40 + b"1" + closing * 40)
    assert decoded(opening * 32 + b"1" + closing * 32, max_depth=32) is not None


def test_a_number_of_a_million_digits_is_text_and_takes_no_time() -> None:
    digits = "9" * 1_000_000
    begun = time.process_time()
    assert decoded(f'{{"number": {digits}, "priority": -{digits}}}'.encode(), max_depth=DEPTH) == {
        "number": digits,
        "priority": f"-{digits}",
    }
    assert time.process_time() - begun < 1


def test_a_number_too_large_for_a_fraction_is_no_error() -> None:
    assert decoded(b"[1e999]", max_depth=DEPTH) == [float("inf")]


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        ('["é"]'.encode("utf-8-sig"), None),
        ('["é"]'.encode("utf-16"), "utf-16"),
        ('["é"]'.encode("utf-16-le"), None),
        ('["é"]'.encode("latin-1"), "ISO-8859-1"),
        ('["é"]'.encode("cp1252"), "windows-1252"),
    ],
)
def test_the_character_set_is_told_by_the_answer_or_its_header(body: bytes, charset: str | None) -> None:
    assert decoded(body, charset=charset, max_depth=DEPTH) == ["é"]


@pytest.mark.parametrize("charset", ["zip", "idna", "unicode_escape", "utf-7", "\x1b[31m"])
def test_no_other_codec_of_python_is_used_because_a_header_names_it(charset: str) -> None:
    assert "is not JSON's" in refusal(b'["a"]', charset)
    assert "\x1b" not in refusal(b'["a"]', charset)


def test_others_have_their_turn_while_a_large_answer_is_read() -> None:
    body = json.dumps([{"id": n, "name": "Ada", "phones": ["+12025550101"]} for n in range(100_000)]).encode()
    reader = threading.Thread(target=decoded, args=(body,), kwargs={"max_depth": DEPTH})
    turns = 0
    reader.start()
    while reader.is_alive():
        reader.join(0.001)
        turns += 1
    assert turns > 10
