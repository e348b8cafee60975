from tests.integration.cli.conftest import Dialerd


def listed(dialerd: Dialerd, *arguments: str) -> list[str]:
    return [entry["number"] for entry in dialerd("dnc", "search", *arguments, "--json").json]


def test_a_number_is_added_found_and_removed(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", "202-555-0101", "--reason", "asked by mail")
    assert "was before" in dialerd("dnc", "add", "+12025550101").out
    (entry,) = dialerd("dnc", "search", "--json").json
    assert (entry["number"], entry["reason"]) == ("+12025550101", "asked by mail")
    dialerd("dnc", "remove", "+1 202 555 0101")
    assert listed(dialerd) == []
    assert "not on that list" in dialerd.refused("dnc", "remove", "+12025550101")


def test_the_list_for_everybody_is_another_one(dialerd: Dialerd) -> None:
    dialerd("dnc", "add", "+12025550101", "--everybody")
    dialerd.refused("dnc", "remove", "+12025550101")
    assert "everybody" in dialerd("dnc", "search").out
    dialerd("dnc", "remove", "+12025550101", "--everybody")


def test_what_is_no_number_is_refused(dialerd: Dialerd) -> None:
    for number in ("911", "abc", "", "+1202", "+12025550101;drop"):
        assert "is no phone number" in dialerd.refused("dnc", "add", number, status=2)


def test_a_search_takes_the_beginning_of_a_number_or_a_whole_one(dialerd: Dialerd) -> None:
    for number in ("+12025550101", "+12025550102", "+442079460101"):
        dialerd("dnc", "add", number)
    assert listed(dialerd, "+44 20") == ["+442079460101"]
    assert listed(dialerd, "202-555-0102") == ["+12025550102"]
    assert listed(dialerd, "--limit", "2") == ["+12025550101", "+12025550102"]
    dialerd.refused("dnc", "search", "%", status=2)


def test_a_file_is_added_whole_or_not_at_all(dialerd: Dialerd) -> None:
    file = dialerd.file("# by mail\n202-555-0101\n202-555-0102\n12\n202-555-0102\n", "numbers.txt")
    assert "1 rows cannot be used" in dialerd.refused("dnc", "import", file)
    assert listed(dialerd) == []
    assert "2 numbers are new" in dialerd("dnc", "import", file, "--on-bad-rows", "keep").out
    assert listed(dialerd) == ["+12025550101", "+12025550102"]


def test_a_table_has_its_numbers_in_a_column(dialerd: Dialerd) -> None:
    dialerd("dnc", "import", dialerd.file("name;number\nAda;+12025550101\n"))
    assert listed(dialerd) == ["+12025550101"]
