"""A fake CRM on 127.0.0.1 plays the outer world: that one address is allowed, everything else of this machine is inside."""

import gzip
import zlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import stamina
from hypothesis import given, settings
from hypothesis import strategies as st

from dialerd.errors import DialerdError
from dialerd.guarded_http.client import (
    MAX_REDIRECTS,
    Answer,
    AnswerTooLarge,
    AnswerUnusable,
    GuardedHttp,
    NoAnswer,
    Request,
    RequestRefused,
    retry_after_s,
    system_addresses,
)
from dialerd.guarded_http.public_address import UrlRefused
from dialerd.settings import CrmSettings
from tests.fakes.certificate import Certificate
from tests.fakes.fake_crm import FakeCrm, Reply, redirects, says

OUTSIDE = (ip_network("127.0.0.1/32"),)
LIMITS = CrmSettings(allowed_networks=OUTSIDE)
METADATA = "169.254.169.254"


@pytest.fixture
def crm() -> Iterator[FakeCrm]:
    with FakeCrm().running() as crm:
        yield crm


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


def limits(**changes: Any) -> CrmSettings:
    """Shorter and smaller than a file may set them, so that a test is over soon."""
    return LIMITS.model_copy(update=changes)


def names(**known: Sequence[str]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return known[host.partition(".")[0]]

    return resolve


CRM_TEST = names(crm=["127.0.0.1"])


async def ask(
    url: str, method: str = "GET", *, within: CrmSettings = LIMITS, resolve: Any = CRM_TEST, **more: Any
) -> Answer:
    async with GuardedHttp(within, resolve=resolve) as http:
        return await http.ask(Request(method=method, url=url, **more))


async def refusal(kind: type[DialerdError], url: str, method: str = "GET", **more: Any) -> str:
    with pytest.raises(kind) as told:
        await ask(url, method, **more)
    return told.value.message


# --- who is asked -----------------------------------------------------------------------------------------------------


async def test_the_answer_comes_as_it_is(crm: FakeCrm) -> None:
    crm.answers["/leads"] = Reply(body=b'["\xe9"]', headers={"Content-Type": "application/json; charset=ISO-8859-1"})
    answer = await ask(crm.url(), "POST", headers={"X-Tenant": "7"}, body=b"{}")
    assert (answer.body, answer.charset) == (b'["\xe9"]', "ISO-8859-1")
    (seen,) = crm.seen
    assert (seen.method, seen.body, seen.headers["x-tenant"]) == ("POST", b"{}", "7")


async def test_a_name_is_asked_at_the_address_that_was_checked_and_keeps_its_name(crm: FakeCrm) -> None:
    crm.answers["/leads"] = says([])
    await ask(crm.url(host="crm.test"))
    assert crm.seen[0].headers["host"] == f"crm.test:{crm.port}"


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.2"], [METADATA], ["127.0.0.1", "10.0.0.1"], ["::ffff:127.0.0.2"], ["fd00:ec2::254"], ["not an address"]],
)
async def test_a_name_with_any_private_address_is_not_asked(crm: FakeCrm, addresses: list[str]) -> None:
    told = await refusal(UrlRefused, crm.url(host="crm.test"), resolve=names(crm=addresses))
    assert addresses[-1] in told
    assert crm.connections == 0


@pytest.mark.parametrize(
    "host",
    ["127.0.0.2", METADATA, "[::1]", "[::ffff:7f00:2]", "2130706434", "127.2", "0177.0.0.2", "localhost", "0x7f000002"],
)
async def test_a_private_address_is_not_asked_however_it_is_written(host: str) -> None:
    await refusal(UrlRefused, f"http://{host}:9/leads", within=CrmSettings(), resolve=system_addresses)


async def test_full_width_digits_are_the_address_that_they_look_like() -> None:
    await refusal(
        UrlRefused, "http://\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}7.0.0.\N{FULLWIDTH DIGIT TWO}:9/leads"
    )


async def test_a_name_that_changes_its_address_is_asked_only_where_it_was_checked(crm: FakeCrm) -> None:
    """The answer to a second question would be the inside: there is none for a connection, and the next one is refused."""
    crm.answers["/leads"] = says([], Connection="close")
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async with GuardedHttp(LIMITS, resolve=rebinding) as http:
        request = Request(method="GET", url=crm.url(host="crm.test"))
        await http.ask(request)
        assert len(asked) == 1
        with pytest.raises(UrlRefused, match=r"crm\.test is 127\.0\.0\.2"):
            await http.ask(request)
    assert len(crm.seen) == 1


async def test_a_name_that_nobody_knows_is_told() -> None:
    async def nobody(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    assert "is the name right" in await refusal(NoAnswer, "https://crm.test/", resolve=nobody)


async def test_no_proxy_of_the_environment_is_used(crm: FakeCrm, monkeypatch: pytest.MonkeyPatch) -> None:
    crm.answers["/leads"] = says([])
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.2:9")
    await ask(crm.url())
    assert len(crm.seen) == 1


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate.made_in(tmp_path)


async def test_tls_names_the_host_and_believes_only_its_certificate(certificate: Certificate) -> None:
    context = certificate.server()
    shown: list[str | None] = []
    context.sni_callback = lambda _, name, __: shown.append(name)
    with FakeCrm(context).running() as crm:
        crm.answers["/leads"] = says([])
        trusting = limits(tls_ca=Path(certificate.path))
        await ask(crm.url(), within=trusting)
        told = await refusal(NoAnswer, crm.url(host="crm.test"), within=trusting)
        assert "certificate that is not trusted" in told
        assert shown[-1] == "crm.test"
        assert "crm.tls_ca" in await refusal(NoAnswer, crm.url())
        assert len(crm.seen) == 1


# --- redirects --------------------------------------------------------------------------------------------------------


async def test_redirects_are_followed_within_the_same_host_with_all_headers(crm: FakeCrm) -> None:
    crm.answers |= {"/leads": redirects("/v2/leads"), "/v2/leads": redirects("list?a=1", 307), "/v2/list": says([1])}
    answer = await ask(crm.url(), headers={"Authorization": "Bearer hush"})
    assert answer.url == crm.url("/v2/list?a=1")
    assert [seen.headers["authorization"] for seen in crm.seen] == ["Bearer hush"] * 3


async def test_another_host_gets_no_header_of_ours_nor_does_the_first_one_after_it(crm: FakeCrm) -> None:
    crm.answers |= {
        "/leads": redirects(crm.url("/there", host="crm.test")),
        "/there": redirects(crm.url("/back")),
        "/back": says([]),
    }
    await ask(crm.url(), headers={"Authorization": "Bearer hush", "X-Api-Key": "hush", "Accept": "application/json"})
    for seen in crm.seen[1:]:
        assert "hush" not in str(seen.headers)
        assert seen.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    "location",
    [
        f"http://{METADATA}/latest/meta-data/",
        "http://127.0.0.2/",
        "http://[::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://inside.test/",
        "//inside.test/",
        "http://crm.test@127.0.0.2/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://[",
    ],
)
async def test_a_redirect_to_the_inside_is_refused(crm: FakeCrm, location: str) -> None:
    crm.answers["/leads"] = redirects(location)
    await refusal(UrlRefused, crm.url(), resolve=names(crm=["127.0.0.1"], inside=["10.0.0.1"]))
    assert len(crm.seen) == 1


async def test_a_redirect_from_https_to_http_is_refused(certificate: Certificate) -> None:
    with FakeCrm(certificate.server()).running() as crm:
        crm.answers["/leads"] = redirects(f"http://127.0.0.1:{crm.port}/leads")
        told = await refusal(UrlRefused, crm.url(), within=limits(tls_ca=Path(certificate.path)))
    assert "from https to http" in told


async def test_redirects_in_a_circle_come_to_an_end(crm: FakeCrm) -> None:
    crm.answers["/leads"] = redirects("/leads")
    assert f"more than {MAX_REDIRECTS} times" in await refusal(UrlRefused, crm.url())
    assert len(crm.seen) == MAX_REDIRECTS + 1


async def test_a_redirect_without_a_place_is_no_answer_to_use(crm: FakeCrm) -> None:
    crm.answers["/leads"] = Reply(status=302, headers={})
    assert "to nowhere" in await refusal(AnswerUnusable, crm.url())


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [(301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (307, "POST", "POST"), (308, "PUT", "PUT")],
)
async def test_a_redirect_says_whether_the_method_stays(crm: FakeCrm, status: int, method: str, then: str) -> None:
    crm.answers |= {"/leads": redirects("/there", status), "/there": says([])}
    await ask(crm.url(), method, body=b"{}")
    assert (crm.seen[1].method, crm.seen[1].body) == (then, b"{}" if then != "GET" else b"")


async def test_our_body_is_for_nobody_else(crm: FakeCrm) -> None:
    crm.answers["/leads"] = redirects(crm.url(host="crm.test"), 307)
    assert "name that one in the source" in await refusal(UrlRefused, crm.url(), "POST", body=b'{"a": 1}')
    assert len(crm.seen) == 1


# --- too slow, too much -----------------------------------------------------------------------------------------------


async def test_an_answer_that_trickles_is_given_up_after_the_whole_time(crm: FakeCrm) -> None:
    crm.answers["/leads"] = lambda _: Reply(body=crm.drip(b"[", 0.02))
    within = limits(timeout=timedelta(seconds=1.5), idle_timeout=timedelta(seconds=1))
    assert "crm.timeout" in await refusal(NoAnswer, crm.url(), within=within)
    assert len(crm.seen) == 1


async def test_a_silence_is_given_up_before_the_whole_time(crm: FakeCrm) -> None:
    crm.answers["/leads"] = lambda _: Reply(body=crm.drip(b"[", 60))
    told = await refusal(NoAnswer, crm.url(), "POST", within=limits(idle_timeout=timedelta(seconds=0.1)))
    assert "crm.idle_timeout" in told


async def test_the_whole_time_is_for_all_requests_together(crm: FakeCrm) -> None:
    crm.answers["/leads"] = says([])
    async with GuardedHttp(limits(timeout=timedelta(0))) as http:
        with pytest.raises(NoAnswer, match=r"crm\.timeout"):
            await http.ask(Request(method="GET", url=crm.url()))
    assert crm.seen == []


async def test_a_page_may_have_so_many_bytes(crm: FakeCrm) -> None:
    crm.answers["/leads"] = Reply(body=b" " * 1_000_000)
    assert len((await ask(crm.url(), within=limits(max_answer_mb=1))).body) == 1_000_000
    crm.answers["/leads"] = Reply(body=b" " * 1_000_001)
    assert "crm.max_answer_mb" in await refusal(AnswerTooLarge, crm.url(), within=limits(max_answer_mb=1))


async def test_an_endless_answer_is_not_read_to_its_end(crm: FakeCrm) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 65_536

    crm.answers["/leads"] = lambda _: Reply(body=endless())
    await refusal(AnswerTooLarge, crm.url(), within=limits(max_answer_mb=1))


async def test_all_pages_together_may_have_so_many_bytes(crm: FakeCrm) -> None:
    crm.answers["/leads"] = Reply(body=b" " * 600_000)
    async with GuardedHttp(limits(max_total_mb=1)) as http:
        request = Request(method="GET", url=crm.url())
        await http.ask(request)
        with pytest.raises(AnswerTooLarge, match=r"crm\.max_total_mb"):
            await http.ask(request)


@pytest.mark.parametrize("members", [1, 3])
async def test_a_gzip_bomb_is_cut_off_while_it_unfolds(crm: FakeCrm, members: int) -> None:
    bomb = gzip.compress(b" " * (200_000_000 // members), 9, mtime=0) * members
    crm.answers["/leads"] = Reply(body=bomb, headers={"Content-Encoding": "gzip"})
    await refusal(AnswerTooLarge, crm.url(), within=limits(max_answer_mb=1))


@given(body=st.binary(max_size=300), cuts=st.integers(1, 40), members=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
async def test_gzip_is_unfolded_however_it_is_cut(body: bytes, cuts: int, members: int) -> None:
    packed = gzip.compress(body, mtime=0) * members
    with FakeCrm().running() as crm:
        pieces = [packed[at : at + cuts] for at in range(0, len(packed), cuts)]
        crm.answers["/leads"] = Reply(body=pieces, headers={"Content-Encoding": "gzip"})
        assert (await ask(crm.url())).body == body * members
    assert crm.seen[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"not gzip", "gzip"),
        (gzip.compress(b"[1, 2, 3]", mtime=0)[:-4], "gzip"),
        (gzip.compress(b"[]", mtime=0) + b"rest", "gzip"),
        (b"", "gzip"),
        (zlib.compress(b"[]"), "deflate"),
        (b"[]", "br"),
        (gzip.compress(gzip.compress(b"[]", mtime=0), mtime=0), "gzip, gzip"),
    ],
)
async def test_what_is_not_the_compression_that_was_asked_for_is_refused(
    crm: FakeCrm, body: bytes, encoding: str
) -> None:
    crm.answers["/leads"] = Reply(body=body, headers={"Content-Encoding": encoding})
    await refusal(AnswerUnusable, crm.url())


# --- refused, or later ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "hint"),
    [(400, "URL"), (401, "credential"), (403, "credential"), (404, "URL"), (405, "method"), (600, "URL")],
)
async def test_what_the_crm_refuses_is_told_with_what_to_look_at(crm: FakeCrm, status: int, hint: str) -> None:
    crm.answers["/leads"] = Reply(status=status, body=b"hush is no valid token")
    with pytest.raises(RequestRefused) as told:
        await ask(crm.url(), headers={"Authorization": "Bearer hush"})
    assert (told.value.host, told.value.status) == ("127.0.0.1", status)
    assert hint in told.value.message
    assert "hush" not in repr(told.value) + repr(told.value.__cause__)
    assert len(crm.seen) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_what_passes_is_asked_for_again(crm: FakeCrm, status: int) -> None:
    crm.answers["/leads"] = [Reply(status=status), Reply(status=status), says([])]
    await ask(crm.url())
    assert len(crm.seen) == 3


async def test_a_connection_that_breaks_off_is_tried_again(crm: FakeCrm) -> None:
    crm.answers["/leads"] = [Reply(headers={"Content-Length": "9"}, body=[b"["]), says([])]
    assert (await ask(crm.url())).body == b"[]"


async def test_there_is_an_end_of_trying(crm: FakeCrm) -> None:
    crm.answers["/leads"] = Reply(status=503)
    assert "status 503 (Service Unavailable): try again later" in await refusal(NoAnswer, crm.url())
    assert len(crm.seen) == 3


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_only_a_get_is_sent_twice(crm: FakeCrm, method: str) -> None:
    crm.answers["/leads"] = Reply(status=503)
    await refusal(NoAnswer, crm.url(), method, body=b"{}")
    assert len(crm.seen) == 1


async def test_a_crm_that_asks_for_patience_gets_it_within_limits(crm: FakeCrm) -> None:
    crm.answers["/leads"] = [Reply(status=429, headers={"Retry-After": "20"}), says([])]
    await ask(crm.url())
    assert len(crm.seen) == 2
    crm.answers["/leads"] = [Reply(status=429, headers={"Retry-After": "31"}), says([])]
    assert "try again after 31 s" in await refusal(NoAnswer, crm.url())
    assert len(crm.seen) == 3


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("99999999999999999999", 999_999_999.0),
        ("-1", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 99999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value, now=100.0) == seconds


def test_what_is_asked_and_answered_is_not_shown_by_accident() -> None:
    request = Request(method="POST", url="https://crm.test/", headers={"Authorization": "hush"}, body=b"hush")
    answer = Answer(url="https://crm.test/", charset=None, body=b"hush")
    assert "hush" not in f"{request!r} {answer!r}"
