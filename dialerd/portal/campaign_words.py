"""What is said of a campaign, in figures and words: shared by the list of them and by each one's own page."""

import re
from collections.abc import Mapping
from typing import Any

from dialerd.domain.campaigns import CampaignStatus, shown_status
from dialerd.domain.leads import FINAL, LeadState
from dialerd.portal.texts import texts
from dialerd.portal.words import count_text, share_text, time_text

say = texts("campaigns")
say_of_one = texts("campaign")

OVER = frozenset({CampaignStatus.COMPLETED, CampaignStatus.CANCELLED})
LISTED = [state for state in LeadState if state is not LeadState.DELETED]
_UTC_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


def with_counts(campaign: Mapping[str, Any], counts: Mapping[str, Any]) -> dict[str, Any]:
    """The campaign as the live feed says that it stands just now, without another question to the API. Also: `real`, the calls a second
    of the last ten seconds, and `agents`."""
    leads = {**campaign["leads"], **{state: counts["leads"].get(state, 0) for state in LISTED}}
    status, hold = CampaignStatus(counts["status"]), counts["hold"]
    return {
        **campaign,
        "status": status,
        "shown_status": shown_status(status, hold["by"] if hold else None),
        "leads": leads,
        "total": sum(leads[state] for state in LISTED),
        "done": sum(leads[state] for state in LISTED if state in FINAL),
        "in_flight": counts["in_flight"],
        "concurrency": counts["concurrency"],
        "calls_per_second": counts["calls_per_second"]["set"],
        "real": counts["calls_per_second"]["real"],
        "agents": counts["agents"],
        "hold": _held(campaign, hold),
    }


def _held(campaign: Mapping[str, Any], hold: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The feed tells what a daemon says of a campaign that runs; that there is no daemon stands in the campaign alone."""
    if campaign["status"] != CampaignStatus.RUNNING or campaign["dialed_by"] is None:
        before: Mapping[str, Any] | None = campaign["hold"]
        return before
    return {"reason": hold["by"], "sentence": hold["reason"], "until": hold["until"]} if hold else None


def why(campaign: Mapping[str, Any], zone: str) -> str:
    """One sentence: why no call starts right now, or that calls start."""
    status, hold = campaign["status"], campaign["hold"]
    if status == CampaignStatus.SCHEDULED:
        at = say("why.scheduled", time=time_text(campaign["starts_at"], zone))
        return f"{at} {say('why.refused', sentence=hold['sentence'])}" if hold else at
    if status == CampaignStatus.RUNNING and hold:
        return _sentence(hold, zone)
    return say(f"why.{status}")


def _sentence(hold: Mapping[str, Any], zone: str) -> str:
    """With its time on the clock of the zone: the API tells it in UTC, the feed beside the sentence."""
    told = hold["sentence"].replace("`", '"')
    text = _UTC_TIME.sub(lambda found: time_text(f"{found[0][:10]}T{found[0][11:19]}+00:00", zone), told)
    if hold["until"] and text == told:
        text = say("why.until", sentence=text, time=time_text(hold["until"], zone))
    return f"{text[:1].upper()}{text[1:]}."


def held_word(rule: str) -> str:
    """What holds a lead back."""
    return say_of_one(f"held.{rule}") if say_of_one.has(f"held.{rule}") else rule


def number_text(number: float) -> str:
    """2.5, but 3 for 3.0."""
    return f"{number:g}"


def progress_text(campaign: Mapping[str, Any]) -> str:
    done, total = campaign["done"], campaign["total"]
    if not total:
        return say("no_leads")
    return say("progress", done=count_text(done), total=count_text(total), share=f"{100 * done // total} %")


def progress_share(campaign: Mapping[str, Any]) -> float:
    return campaign["done"] / campaign["total"] if campaign["total"] else 0.0


def lines_text(campaign: Mapping[str, Any]) -> str:
    return say("of", number=campaign["in_flight"], most=campaign["concurrency"])


def pace_text(campaign: Mapping[str, Any]) -> str:
    """What is set; and before it what is real, of one that runs and of which the feed has told."""
    most = number_text(campaign["calls_per_second"])
    runs = campaign["status"] == CampaignStatus.RUNNING and "real" in campaign
    return say("of", number=number_text(campaign["real"]), most=most) if runs else most


def abandonment_text(ledger: Mapping[str, Any]) -> str:
    rate = share_text(ledger["rate"])
    return say("rate_of_cap", rate=rate, cap=share_text(ledger["cap"])) if ledger["cap"] is not None else rate


def abandonment_colour(ledger: Mapping[str, Any]) -> str:
    """Red at the cap, amber near it."""
    cap = ledger["cap"]
    if cap is None or not ledger["rate"]:
        return "teal"
    return "red" if ledger["rate"] >= cap else "amber" if ledger["rate"] >= 0.8 * cap else "teal"


def start_text(campaign: Mapping[str, Any], zone: str) -> str:
    """When it started, or will start by itself; empty for what does neither."""
    if campaign["status"] == CampaignStatus.SCHEDULED:
        return say("starts_at", time=time_text(campaign["starts_at"], zone))
    return time_text(campaign["started_at"], zone)
