"""`dialerd menu`: a voice menu as it is written, stored, shown, and compared with the sounds of the PBX."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from dialerd.cli.menus import SAMPLE
from tests.fakes.fake_crm import FakeCrm, Reply
from tests.integration.cli.conftest import Dialerd

DOCS = Path(__file__).parents[3] / "docs"
SIMPLE = """\
name = "yes-or-no"
[nodes.start]
prompt = "custom/ask"
[nodes.start.choices]
1 = { action = "end", result = "yes" }
"""
SOUNDS = {
    "appointment/ask",
    "appointment/pardon",
    "appointment/thanks",
    "appointment/removed",
    "appointment/goodbye",
    "appointment/sure",
}


def imported(dialerd: Dialerd, text: str) -> str:
    return dialerd("menu", "import", dialerd.file(text, "menu.toml")).out


def refused(dialerd: Dialerd, text: str) -> str:
    return dialerd.refused("menu", "import", dialerd.file(text, "menu.toml"))


def test_the_sample_can_be_imported_as_it_is(dialerd: Dialerd) -> None:
    sample = dialerd("menu", "sample").out
    assert "menu 'appointment' is stored: 2 nodes, 6 sounds" in imported(dialerd, sample)
    shown = dialerd("menu", "show", "appointment", "--json").json
    assert shown["nodes"]["start"]["choices"]["1"]["result"] == "confirmed"
    assert (shown["nodes"]["start"]["wait"], shown["nodes"]["cancel"]["tries"]) == (5, 3)


def test_the_sample_of_the_documentation_is_the_one_that_is_printed() -> None:
    assert f"```toml\n{SAMPLE}```" in (DOCS / "menus.md").read_text(encoding="utf-8")


def test_what_is_left_out_has_the_value_that_the_sample_calls_usual(dialerd: Dialerd) -> None:
    imported(dialerd, SIMPLE)
    node = dialerd("menu", "show", "yes-or-no", "--json").json["nodes"]["start"]
    assert (node["wait"], node["tries"], node["invalid_sound"]) == (5, 3, "")
    assert node["give_up"]["action"] == "end"


def test_a_menu_is_shown_node_by_node_for_people(dialerd: Dialerd) -> None:
    imported(dialerd, SAMPLE)
    lines = [" ".join(line.split()) for line in dialerd("menu", "show", "appointment").out.splitlines()]
    for line in (
        "start:",
        "prompt appointment/ask",
        "1 end confirmed appointment/thanks",
        "2 goto cancel",
        "9 opt_out appointment/removed",
        "none end appointment/goodbye",
        "cancel:",
        "tries 3",
    ):
        assert line in lines


def test_the_list_says_which_menus_need_agents(dialerd: Dialerd) -> None:
    imported(dialerd, SAMPLE)
    imported(dialerd, SIMPLE)
    lines = [" ".join(line.split()) for line in dialerd("menu", "list").out.splitlines()]
    assert lines[1:] == ["appointment 2 6 yes", "yes-or-no 1 1 no"]
    assert [menu["name"] for menu in dialerd("menu", "list", "--json").json] == ["appointment", "yes-or-no"]


def test_a_menu_takes_the_place_of_the_one_of_its_name(dialerd: Dialerd) -> None:
    imported(dialerd, SIMPLE)
    imported(dialerd, SIMPLE.replace("custom/ask", "custom/other"))
    (menu,) = dialerd("menu", "list", "--json").json
    assert menu["nodes"]["start"]["prompt"] == "custom/other"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('name = "yes-or-no"\n[nodes', "is not TOML"),
        (SIMPLE.replace('name = "yes-or-no"\n', ""), "name"),
        (SIMPLE.replace("yes-or-no", "yes or no"), "name: 1 to 40 letters"),
        ('name = "a"\nnodes = 5\n', "nodes"),
        (SIMPLE.replace("nodes.start", "nodes.first"), "nodes: the first one is called start"),
        (SIMPLE.replace("prompt", "promt"), "promt"),
        (SIMPLE.replace("custom/ask", "../ask"), "node start: sound '../ask'"),
        (SIMPLE.replace("custom/ask", ""), "node start: prompt: name the sound"),
        (SIMPLE.replace("1 = ", "A = "), "node start: A: no phone has this key; there are 0123456789*#"),
        (SIMPLE.replace('"end"', '"dial"'), "dial"),
        (SIMPLE.replace('"end"', '"goto"'), "node start: 1: goto: there is no node"),
        (SIMPLE.replace('"end"', '"goto", goto = "later"'), "node start: 1: goto: there is no node 'later'"),
        (SIMPLE.replace('"yes"', '"Yes!"'), "node start: 1: result: up to 40 small letters"),
        (SIMPLE.replace("[nodes.start]", "[nodes.start]\nwait = 0"), "node start: wait: from 1 to 60 seconds"),
        (SIMPLE.replace("[nodes.start]", "[nodes.start]\nwait = 'long'"), "wait"),
        (SIMPLE.replace("[nodes.start]", "[nodes.start]\ntries = 11"), "node start: tries: from 1 to 10"),
        (SIMPLE.replace('1 = { action = "end", result = "yes" }', ""), "node start: choices: name at least one key"),
        (
            SIMPLE + '[nodes.start.give_up]\naction = "repeat"\n',
            "node start: give_up: after the last try the menu ends",
        ),
        ("[" * 10_000, "is not TOML"),
    ],
)
def test_what_is_wrong_with_a_menu_is_told_with_its_place_and_nothing_is_stored(
    dialerd: Dialerd, wrong: str, words: str
) -> None:
    assert words in refused(dialerd, wrong)
    assert dialerd("menu", "list", "--json").json == []


def test_everything_that_is_wrong_is_told_at_once(dialerd: Dialerd) -> None:
    told = refused(dialerd, SIMPLE.replace("custom/ask", "a b").replace('"yes"', '"Y"').replace("1 = ", "x = "))
    for words in ("sound 'a b'", "x: no phone has this key", "x: result:"):
        assert words in told


def test_a_file_that_is_not_there_or_is_no_text_is_told(dialerd: Dialerd) -> None:
    assert "cannot be read" in dialerd.refused("menu", "import", str(dialerd.folder / "missing.toml"))
    assert "cannot be read" in dialerd.refused("menu", "import", str(dialerd.folder))
    (dialerd.folder / "binary.toml").write_bytes(b"\xff\xfe\x00")
    assert "is not TOML" in dialerd.refused("menu", "import", str(dialerd.folder / "binary.toml"))


def test_a_menu_that_is_not_there_is_told_at_every_door(dialerd: Dialerd) -> None:
    imported(dialerd, SIMPLE)
    for command in ("show", "remove", "check"):
        assert "there is no voice menu nosuch" in dialerd.refused("menu", command, "nosuch")


def test_a_menu_that_a_campaign_needs_is_not_removed(dialerd: Dialerd) -> None:
    imported(dialerd, SIMPLE)
    dialerd("campaign", "create", "Spring", "--target", "menu", "--menu", "yes-or-no")
    assert "Spring" in dialerd.refused("menu", "remove", "yes-or-no")
    dialerd("campaign", "cancel", "Spring")
    dialerd("menu", "remove", "yes-or-no")
    assert dialerd("menu", "list", "--json").json == []


def test_a_campaign_does_not_start_without_the_menu_or_the_queue_that_it_needs(dialerd: Dialerd) -> None:
    imported(dialerd, SAMPLE)
    dialerd("campaign", "create", "Spring", "--target", "menu", "--menu", "nosuch")
    dialerd("leads", "import", "Spring", dialerd.file("number,priority,first_name\n+12025550101,1,Ada\n"))
    assert "nosuch" in dialerd.refused("campaign", "start", "Spring")
    dialerd("campaign", "edit", "Spring", "--menu", "appointment")
    assert "queue" in dialerd.refused("campaign", "start", "Spring")
    dialerd("campaign", "edit", "Spring", "--queue", "sales")
    assert "is running" in dialerd("campaign", "start", "Spring").out


def test_a_menu_that_comes_to_need_a_queue_is_refused_while_a_campaign_without_one_names_it(dialerd: Dialerd) -> None:
    imported(dialerd, SIMPLE)
    dialerd("campaign", "create", "Spring", "--target", "menu", "--menu", "yes-or-no")
    assert "campaign Spring has no queue" in refused(dialerd, SIMPLE.replace('"end"', '"queue"'))


# --- the sounds of the PBX --------------------------------------------------------------------------------------------


@pytest.fixture
def pbx(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCrm]:
    """A REST interface that has some sounds, and says of others what Asterisk says."""
    with FakeCrm().running() as pbx:
        monkeypatch.setenv("DIALERD_ARI__BASE_URL", f"http://127.0.0.1:{pbx.port}")
        monkeypatch.setenv("DIALERD_ARI__PASSWORD", "sesame")
        for sound in SOUNDS | {"custom/ask"}:
            answer(pbx, sound, Reply(body=b'{"id":"x","formats":[]}'))
        yield pbx


def answer(pbx: FakeCrm, sound: str, reply: Reply) -> None:
    pbx.answers[f"/ari/sounds/{quote(sound, safe='')}"] = reply


NOT_FOUND = Reply(status=404, body=b'{"message":"Sound not found"}')


def test_a_check_asks_for_every_sound_of_every_menu(dialerd: Dialerd, pbx: FakeCrm) -> None:
    imported(dialerd, SAMPLE)
    imported(dialerd, SIMPLE)
    assert dialerd("menu", "check", "--json").json == dict.fromkeys(SOUNDS | {"custom/ask"}, True)
    assert dialerd("menu", "check", "yes-or-no", "--json").json == {"custom/ask": True}


def test_a_sound_that_is_missing_is_named_with_its_menu_and_the_check_fails(dialerd: Dialerd, pbx: FakeCrm) -> None:
    imported(dialerd, SAMPLE)
    answer(pbx, "appointment/sure", NOT_FOUND)
    found = dialerd.answer("menu", "check")
    assert found.status == 1
    lines = [" ".join(line.split()) for line in found.out.splitlines()]
    assert "appointment/sure MISSING appointment" in lines
    assert "appointment/ask there appointment" in lines


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(status=401), "the user or the password is wrong"),
        (Reply(status=503), "Asterisk has not finished to start"),
        (Reply(status=404, body=b'{"message":"Resource not found"}'), "load res_ari_sounds"),
        (Reply(status=418), "is this Asterisk's HTTP server?"),
    ],
)
def test_what_keeps_asterisk_from_telling_is_told(dialerd: Dialerd, pbx: FakeCrm, reply: Reply, words: str) -> None:
    imported(dialerd, SIMPLE)
    answer(pbx, "custom/ask", reply)
    told = dialerd.refused("menu", "check")
    assert words in told
    assert "sesame" not in told


def test_an_asterisk_that_cannot_be_reached_is_told(dialerd: Dialerd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALERD_ARI__BASE_URL", "http://127.0.0.1:1")
    imported(dialerd, SIMPLE)
    assert "cannot be reached" in dialerd.refused("menu", "check")
