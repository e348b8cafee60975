from tests.integration.cli.conftest import Dialerd

LEAD = "+12025550101,1,Ada\n"


def test_a_campaign_has_the_defaults_of_the_specification_unless_told_otherwise(dialerd: Dialerd) -> None:
    dialerd("campaign", "create", "Spring", "--queue", "sales", "--calls-per-second", "2.5", "--retries", "5")
    campaign = dialerd("campaign", "show", "Spring", "--json").json
    assert campaign["status"] == "draft"
    assert (campaign["calls_per_second"], campaign["max_attempts"]) == (2.5, 5)
    assert (campaign["cooloff_s"], campaign["customer_wait_sla_s"], campaign["cooloff_2nd_s"]) == (3600, 3, None)


def test_caller_ids_keep_their_order_and_names(dialerd: Dialerd) -> None:
    dialerd(
        *("campaign", "create", "Spring", "--queue", "sales"),
        *("--caller-id", "+1 (202) 555-0199=Acme Ltd", "--caller-id", "12025550198"),
    )
    pool = dialerd("campaign", "show", "Spring", "--json").json["caller_ids"]
    assert [(n["caller_id"]["number"], n["caller_id"]["name"]) for n in pool] == [
        ("+12025550199", "Acme Ltd"),
        ("12025550198", ""),
    ]


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_stored(dialerd: Dialerd) -> None:
    told = dialerd.refused(
        *("campaign", "create", "Spring", "--queue", "a b", "--calls-per-second", "21", "--concurrency", "51"),
        *("--retries", "6", "--ring-timeout", "4"),
    )
    for word in ("queue", "calls per second", "concurrency", "attempts", "ring timeout"):
        assert word in told
    assert dialerd("campaign", "list", "--json").json == []


def test_a_name_is_given_once(dialerd: Dialerd) -> None:
    dialerd.campaign()
    assert "another campaign is called Spring" in dialerd.refused("campaign", "create", "Spring", "--queue", "sales")


def test_a_caller_id_is_a_number_and_a_name_that_cannot_break_out(dialerd: Dialerd) -> None:
    for value in ("abc", "+1202555\n0199", "+12025550199=A<1>", '+12025550199=A"', "+12025550199=A\nB"):
        told = dialerd.refused("campaign", "create", "X", "--queue", "sales", "--caller-id", value, status=2)
        assert "--caller-id" in told


def test_a_campaign_is_led_through_its_life(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=LEAD)
    for act, status in (("start", "running"), ("pause", "paused"), ("start", "running"), ("stop", "stopped")):
        assert f"is {status}" in dialerd("campaign", act, "Spring").out
    dialerd("campaign", "cancel", "1")
    assert dialerd("campaign", "show", "1", "--json").json["status"] == "cancelled"


def test_what_cannot_be_done_now_is_answered_with_what_can(dialerd: Dialerd) -> None:
    dialerd.campaign(leads=LEAD)
    told = dialerd.refused("campaign", "pause", "Spring")
    assert "is draft" in told
    assert "cancel, start" in told


def test_a_campaign_without_leads_does_not_start(dialerd: Dialerd) -> None:
    dialerd.campaign()
    assert "leads" in dialerd.refused("campaign", "start", "Spring")


def test_an_edit_changes_what_it_names_and_can_take_a_cooloff_away(dialerd: Dialerd) -> None:
    dialerd.campaign()
    dialerd("campaign", "edit", "Spring", "--name", "Summer", "--cooloff-2nd", "60", "--caller-id", "+12025550199")
    edited = dialerd("campaign", "show", "Summer", "--json").json
    assert (edited["cooloff_2nd_s"], edited["cooloff_s"], len(edited["caller_ids"])) == (60, 3600, 1)
    dialerd("campaign", "edit", "Summer", "--unset", "cooloff-2nd")
    assert dialerd("campaign", "show", "Summer", "--json").json["cooloff_2nd_s"] is None


def test_an_edit_of_nothing_or_of_the_unknown_is_refused(dialerd: Dialerd) -> None:
    dialerd.campaign()
    assert "nothing to change" in dialerd.refused("campaign", "edit", "Spring", status=2)
    assert "--unset" in dialerd.refused("campaign", "edit", "Spring", "--unset", "queue", status=2)
    assert "concurrency" in dialerd.refused("campaign", "edit", "Spring", "--concurrency", "0")


def test_a_campaign_that_is_not_there_is_told(dialerd: Dialerd) -> None:
    for reference in ("Spring", "7", "99999999999999999999"):
        assert "there is no campaign" in dialerd.refused("campaign", "show", reference)


def test_a_name_cannot_steer_the_terminal(dialerd: Dialerd) -> None:
    dialerd("campaign", "create", "\x1b[2J[red]x[/red]", "--queue", "sales")
    shown = dialerd("campaign", "list").out
    assert "\x1b" not in shown
    assert "[red]x[/red]" in shown


def test_the_list_shows_every_campaign(dialerd: Dialerd) -> None:
    dialerd.campaign("Spring", leads=LEAD)
    dialerd.campaign("Summer")
    shown = dialerd("campaign", "list").out
    assert "Spring" in shown
    assert "Summer" in shown
    assert [c["leads"]["active"] for c in dialerd("campaign", "list", "--json").json] == [1, 0]
