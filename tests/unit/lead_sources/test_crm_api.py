import json
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from dialerd.domain.leads import NewLead
from dialerd.errors import SettingsError
from dialerd.guarded_http.client import AnswerTooLarge, AnswerUnusable
from dialerd.guarded_http.public_address import UrlRefused
from dialerd.lead_sources.base import BadRow, GoodRow
from dialerd.lead_sources.crm_api import _Mapped, read_leads, read_sample
from dialerd.lead_sources.crm_source import CrmSource, read_source
from dialerd.settings import CrmSettings
from tests.fakes.fake_crm import FakeCrm, Reply, Seen, redirects, says

SETTINGS = CrmSettings(
    allowed_networks=(ip_network("127.0.0.1/32"),),
    secrets={"crm": SecretStr("hush\n"), "odd": SecretStr("a\nb"), "empty": SecretStr(" ")},
)
MAPPING = {"leads_array": "leads", "first_name": "first", "number": "phone"}
ADA = {"first": "Ada", "phone": "+12025550101"}
BEN = {"first": "Ben", "phone": "+12025550102"}
CLEO = {"first": "Cleo", "phone": "+12025550103"}


@pytest.fixture
def crm() -> Iterator[FakeCrm]:
    with FakeCrm().running() as crm:
        yield crm


def source(crm: FakeCrm, mapping: dict[str, Any] | None = None, **changes: Any) -> CrmSource:
    return read_source({"url": crm.url(), "mapping": {**MAPPING, **(mapping or {})}, **changes})


async def rows(of: CrmSource, *, region: str = "US", **limits: Any) -> list[GoodRow | BadRow]:
    within = SETTINGS.model_copy(update=limits)
    return [row async for row in read_leads(of, within, default_region=region)]


async def leads(of: CrmSource, **more: Any) -> list[NewLead]:
    found = await rows(of, **more)
    assert all(isinstance(row, GoodRow) for row in found), found
    return [row.lead for row in found if isinstance(row, GoodRow)]


async def lead(crm: FakeCrm, value: Any, mapping: dict[str, Any] | None = None) -> NewLead:
    crm.answers["/leads"] = says({"leads": [value]})
    (only,) = await leads(source(crm, mapping))
    return only


async def flaws(crm: FakeCrm, value: Any, mapping: dict[str, Any] | None = None) -> dict[str, str]:
    crm.answers["/leads"] = says({"leads": [value]})
    (row,) = await rows(source(crm, mapping))
    assert isinstance(row, BadRow), row
    return {flaw.column: flaw.reason for flaw in row.flaws}


async def unusable(of: CrmSource, **limits: Any) -> str:
    with pytest.raises(AnswerUnusable) as told:
        await rows(of, **limits)
    return told.value.message


# --- mapping ----------------------------------------------------------------------------------------------------------


async def test_leads_array_first_name_and_number_are_enough(crm: FakeCrm) -> None:
    crm.answers["/leads"] = says({"leads": [ADA, BEN]})
    assert await leads(source(crm)) == [
        NewLead(number="+12025550101", first_name="Ada"),
        NewLead(number="+12025550102", first_name="Ben"),
    ]


async def test_optional_mapping_keys_are_those_of_the_specification(crm: FakeCrm) -> None:
    told = await lead(
        crm,
        {
            **ADA,
            "last": "Nguyen",
            "score": 7,
            "id": 4711,
            "tries": "3",
            "wait": {"first": 60, "second": 120.0},
            "remarks": ["calls back", "likes mornings"],
            "skill": "sales",
            "owner": {"extension": "201"},
            "zone": "Europe/Oslo",
            "address": {"home-town": "Oslo"},
            "vip": True,
        },
        {
            "last_name": "last",
            "priority": "score",
            "ticket_id": "id",
            "dial_retries": "tries",
            "first_cooloff": "wait.first",
            "cooloff": "$.wait.second",
            "notes": "join(', ', remarks)",
            "skill": "skill",
            "extension": "owner.extension",
            "time_zone": "zone",
            "custom": {"city": 'address."home-town"', "vip": "vip", "fax": "fax"},
        },
    )
    assert told == NewLead(
        number="+12025550101",
        first_name="Ada",
        last_name="Nguyen",
        priority=7,
        ticket_id="4711",
        max_attempts=3,
        cooloff_s=60,
        cooloff_2nd_s=120,
        note="calls back, likes mornings",
        skill="sales",
        extension="201",
        time_zone="Europe/Oslo",
        custom={"city": "Oslo", "vip": "true"},
    )


async def test_the_accounts_limit_of_attempts_holds_for_a_lead(crm: FakeCrm) -> None:
    crm.answers["/leads"] = says({"leads": [{**ADA, "tries": 9}]})
    asked = source(crm, {"dial_retries": "tries"})
    assert isinstance((await rows(asked))[0], BadRow)
    taken = read_leads(asked, SETTINGS, default_region="US", most_attempts=10)
    assert isinstance(await anext(taken), GoodRow)
    await taken.aclose()
    assert isinstance((await read_sample(asked, SETTINGS, default_region="US", most_attempts=10))[0], GoodRow)


@pytest.mark.parametrize("missing", [{}, {"score": None}, {"score": ""}])
async def test_a_lead_without_a_priority_has_none(crm: FakeCrm, missing: dict[str, Any]) -> None:
    assert (await lead(crm, {**ADA, **missing}, {"priority": "score"})).priority == 0


@pytest.mark.parametrize("written", [12025550101, "202-555-0101", "+1 (202) 555-0101", "0012025550101"])
async def test_numbers_may_be_written_as_numbers_or_as_people_do(crm: FakeCrm, written: object) -> None:
    assert (await lead(crm, {**ADA, "phone": written})).number == "+12025550101"


async def test_a_top_level_list_is_mapped_too(crm: FakeCrm) -> None:
    crm.answers["/leads"] = says([ADA])
    assert len(await leads(source(crm, {"leads_array": "$"}))) == 1


# --- hostile and odd answers ------------------------------------------------------------------------------------------


async def test_all_that_is_wrong_with_a_lead_is_told_at_once_in_the_words_of_the_mapping(crm: FakeCrm) -> None:
    told = await flaws(
        crm,
        {"phone": {"e164": "+12025550101"}, "score": "high", "tries": 99, "note": ["a"], "zone": "Mars/Olympus"},
        {"priority": "score", "dial_retries": "tries", "notes": "note", "time_zone": "zone"},
    )
    assert told.keys() == {"number", "first_name", "priority", "dial_retries", "notes", "time_zone"}
    assert told["number"] == "is an object, not a single value"
    assert told["first_name"] == "is missing"


@pytest.mark.parametrize(
    "phone",
    [
        None,
        "",
        "911",
        "abc",
        True,
        [],
        {},
        1.5,
        12025550101.0,
        1e300,
        -1,
        "9" * 10_000,
        "+1202555010\u0000",
        "\ud83d",
        "+99999999999",
    ],
)
async def test_what_is_no_number_that_may_be_dialed_is_a_bad_row(crm: FakeCrm, phone: object) -> None:
    assert (await flaws(crm, {**ADA, "phone": phone})).keys() == {"number"}


@pytest.mark.parametrize("value", [None, 5, "Ada", [], ["+12025550101"], True])
async def test_a_lead_that_is_no_object_is_a_bad_row(crm: FakeCrm, value: object) -> None:
    assert "not an object" in (await flaws(crm, value))["(lead)"]


async def test_a_number_of_a_million_digits_is_a_bad_row(crm: FakeCrm) -> None:
    crm.answers["/leads"] = Reply(body=b'{"leads": [{"first": "Ada", "phone": ' + b"9" * 1_000_000 + b"}]}")
    (row,) = await rows(source(crm))
    assert isinstance(row, BadRow)
    assert "longer than" in row.flaws[0].reason


async def test_half_a_character_is_not_stored(crm: FakeCrm) -> None:
    told = await flaws(crm, {**ADA, "first": "A\ud83d", "town": "\udc00"}, {"custom": {"town": "town"}})
    assert told == {"first_name": "has half of a character in it", "custom.town": "has half of a character in it"}


async def test_names_are_data_whatever_is_in_them(crm: FakeCrm) -> None:
    nasty = "=cmd()\"'; DROP TABLE leads; -- ${x} <b>"
    assert (await lead(crm, {**ADA, "first": nasty})).first_name == nasty
    assert "control character" in (await flaws(crm, {**ADA, "first": "Ada\r\nAction: Command"}))["first_name"]


async def test_a_path_that_fails_on_a_lead_makes_it_a_bad_row_without_repeating_the_data(crm: FakeCrm) -> None:
    told = await flaws(crm, {**ADA, "remarks": "+12025550199"}, {"notes": "join(', ', remarks)"})
    assert "cannot be evaluated" in told["notes"]
    assert "0199" not in told["notes"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "the answer is empty"),
        (b"<html>", "is not JSON"),
        (b"[" * 100_000, "crm.max_depth"),
        (b'{"leads": [NaN]}', "NaN"),
        (b'{"leads": [], "leads": [1]}', "'leads' twice"),
        (b'{"leads": ["\xff"]}', "is not utf-8"),
        (b'{"leads": null, "items": []}', "leads to nothing; the answer has the keys leads, items"),
        (b'{"leads": {"a": 1}}', "leads to an object, not a list"),
        (b'{"leads": "none"}', "leads to text, not a list"),
        (b"[]", "leads to nothing; the answer is a list"),
        (b"null", "the answer is null"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_told_with_what_it_is(crm: FakeCrm, answer: bytes, why: str) -> None:
    crm.answers["/leads"] = Reply(body=answer)
    assert why in await unusable(source(crm))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["leads", "first", "phone", "x"]), inner, max_size=4)
        ),
        max_leaves=15,
    ),
    st.sampled_from(
        [
            "x",
            "x[0]",
            "max(x)",
            "x[?first > phone]",
            "sort(x)",
            "avg(x)",
            "to_number(x)",
            "x | [0]",
            "join('', x)",
            "x.*",
        ]
    ),
)
def test_whatever_an_answer_holds_every_lead_is_good_or_bad(value: Any, path: str) -> None:
    mapping = read_source({"url": "https://crm.example.com/", "mapping": {**MAPPING, "notes": path}}).mapping
    found = _Mapped.of(mapping).rows([value, {**ADA, "x": value}], 1, "US")
    assert [row.line for row in found] == [1, 2]
    for row in found:
        if isinstance(row, GoodRow):
            json.dumps(row.lead.note).encode()
            row.lead.note.encode()


# --- what is sent -----------------------------------------------------------------------------------------------------


async def test_a_secret_goes_into_the_header_and_nowhere_else(crm: FakeCrm) -> None:
    crm.answers["/leads"] = says({"leads": []})
    asked = source(crm, headers={"Authorization": "Bearer {secret:CRM}", "X-Tenant": "7"})
    await leads(asked)
    assert crm.seen[0].headers["authorization"] == "Bearer hush"
    assert crm.seen[0].headers["accept"] == "application/json"
    assert "hush" not in repr(asked) + str(asked.as_json())


async def test_secrets_that_are_not_there_are_told_all_at_once_and_nothing_is_asked(crm: FakeCrm) -> None:
    headers = {"Authorization": "{secret:none}", "X-Token": "{secret:odd}{secret:empty}"}
    with pytest.raises(SettingsError) as told:
        await leads(source(crm, headers=headers))
    for words in (
        "crm.secrets.none: missing",
        "DIALERD_CRM__SECRETS__NONE",
        "crm.secrets.odd: ",
        "crm.secrets.empty: missing",
    ):
        assert words in told.value.message
    assert crm.seen == []


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_body_is_sent_as_json(crm: FakeCrm, method: str) -> None:
    crm.answers["/leads"] = says({"leads": [ADA]})
    await leads(source(crm, method=method, body={"filter": {"näme": "é"}}))
    (seen,) = crm.seen
    assert (seen.method, seen.headers["content-type"]) == (method, "application/json")
    assert json.loads(seen.body) == {"filter": {"näme": "é"}}


# --- pages ------------------------------------------------------------------------------------------------------------


async def test_without_paging_there_is_one_page(crm: FakeCrm) -> None:
    crm.answers["/leads"] = says({"leads": [ADA], "next": "/more"})
    assert len(await leads(source(crm))) == 1
    assert len(crm.seen) == 1


@pytest.mark.parametrize("end", [None, "", False])
async def test_pages_follow_by_their_links_until_there_is_none(crm: FakeCrm, end: object) -> None:
    crm.answers |= {
        "/leads": says({"leads": [ADA], "next": "/more?cursor=a%20b"}),
        "/more": says({"leads": [BEN], "next": crm.url("/last")}),
        "/last": says({"leads": [CLEO], "next": end}),
    }
    paged = source(crm, paging={"next": "next"}, headers={"Authorization": "{secret:crm}"})
    found = await rows(paged)
    assert [(row.line, row.lead.first_name) for row in found if isinstance(row, GoodRow)] == [
        (1, "Ada"),
        (2, "Ben"),
        (3, "Cleo"),
    ]
    assert [seen.headers["authorization"] for seen in crm.seen] == ["hush"] * 3
    assert crm.seen[1].query == {"cursor": ["a b"]}


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:1/leads",
        "http://localhost/",
        "//crm.example.com/",
        "file:///etc/passwd",
        "http://[",
        "https://127.0.0.1/",
    ],
)
async def test_a_link_to_another_origin_is_not_followed(crm: FakeCrm, link: str) -> None:
    crm.answers["/leads"] = says({"leads": [ADA], "next": link})
    with pytest.raises((UrlRefused, AnswerUnusable)):
        await leads(source(crm, paging={"next": "next"}))
    assert len(crm.seen) == 1


@pytest.mark.parametrize("link", [5, ["/more"], {"href": "/more"}, True])
async def test_a_link_that_is_none_is_told(crm: FakeCrm, link: object) -> None:
    crm.answers["/leads"] = says({"leads": [ADA], "next": link})
    assert "paging.next leads to" in await unusable(source(crm, paging={"next": "next"}))


def page_of(*pages: list[Any], first: int = 1) -> Any:
    def answer(seen: Seen) -> Reply:
        number = int(seen.query["page"][0]) - first
        return says({"leads": pages[number] if number < len(pages) else []})

    return answer


@pytest.mark.parametrize("first", [0, 1, 7])
async def test_pages_follow_by_their_number_until_one_is_empty(crm: FakeCrm, first: int) -> None:
    crm.answers["/leads"] = page_of([ADA, BEN], [CLEO], first=first)
    url = crm.url("/leads?status=open&page=99")
    assert len(await leads(source(crm, url=url, paging={"page_parameter": "page", "first_page": first}))) == 3
    assert [seen.query["page"] for seen in crm.seen] == [[str(first)], [str(first + 1)], [str(first + 2)]]
    assert crm.seen[2].query["status"] == ["open"]


async def test_a_crm_that_takes_no_notice_of_the_page_is_found_out(crm: FakeCrm) -> None:
    crm.answers["/leads"] = says({"leads": [ADA]})
    assert "does the CRM know the parameter 'page'" in await unusable(source(crm, paging={"page_parameter": "page"}))


async def test_links_in_a_circle_are_found_out(crm: FakeCrm) -> None:
    crm.answers |= {"/leads": says({"leads": [ADA], "next": "/b"}), "/b": says({"leads": [BEN], "next": "/leads"})}
    assert "in a circle" in await unusable(source(crm, paging={"next": "next"}))


async def test_pages_have_an_end(crm: FakeCrm) -> None:
    crm.answers["/leads"] = lambda seen: says({"leads": [ADA], "page": seen.query["page"]})
    with pytest.raises(AnswerTooLarge, match=r"crm\.max_pages"):
        await rows(source(crm, paging={"page_parameter": "page"}), max_pages=3)
    assert len(crm.seen) == 3


async def test_as_many_pages_as_are_allowed_are_no_error(crm: FakeCrm) -> None:
    crm.answers["/leads"] = says({"leads": [ADA]})
    assert len(await leads(source(crm), max_pages=1)) == 1


async def test_leads_have_an_end_over_all_pages(crm: FakeCrm) -> None:
    crm.answers["/leads"] = page_of([ADA, BEN], [CLEO])
    paged = source(crm, paging={"page_parameter": "page"})
    assert len(await leads(paged, max_leads=3)) == 3
    with pytest.raises(AnswerTooLarge, match=r"crm\.max_leads"):
        await rows(paged, max_leads=2)


async def test_a_sample_asks_for_no_more_pages_than_it_needs(crm: FakeCrm) -> None:
    crm.answers["/leads"] = page_of([ADA, BEN], [CLEO], [ADA])
    sample = await read_sample(source(crm, paging={"page_parameter": "page"}), SETTINGS, default_region="US", size=3)
    assert [row.line for row in sample] == [1, 2, 3]
    assert len(crm.seen) == 2


async def test_after_a_redirect_pages_are_asked_for_where_the_source_says(crm: FakeCrm) -> None:
    crm.answers |= {
        "/leads": [redirects("/v2/leads"), redirects("/v2/leads"), says({"leads": []})],
        "/v2/leads": [says({"leads": [ADA]}), says({"leads": [BEN]})],
    }
    assert len(await leads(source(crm, paging={"page_parameter": "page"}))) == 2
