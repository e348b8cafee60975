"""`dialerd explain`: what every rule says of a campaign or a lead, on what fact, until when, and what happened so far."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from dialerd.cli.campaigns import as_values
from dialerd.cli.console import AsJson, facts, local, out, plain, print_json, table
from dialerd.cli.options import HIGHEST_ID, CampaignRef
from dialerd.cli.session import Stores, in_store
from dialerd.domain.attempts import WaitingLeads
from dialerd.domain.eligibility import Verdict
from dialerd.domain.leads import LeadState
from dialerd.domain.pacing import HOLD_SENTENCES
from dialerd.domain.phone import mask
from dialerd.privacy import mask_numbers_in
from dialerd.reports.explained import LeadStory, story_of, story_values, why_campaign, why_lead
from dialerd.store.campaigns import CampaignOverview

LeadId = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=HIGHEST_ID, help="Id of the lead, as `dialerd leads list` prints it.")
]

app = typer.Typer(help="Say why a campaign or a lead is not called.", no_args_is_help=True)


@app.command("campaign")
def explain_campaign(context: typer.Context, campaign: CampaignRef, as_json: AsJson = False) -> None:
    """Say why a campaign starts no call now: every rule in order, and what holds its leads back."""

    async def work(stores: Stores) -> tuple[CampaignOverview, str]:
        found = await stores.find_campaign(campaign)
        return await stores.campaigns.overview(found.id), await stores.zone()

    overview, zone = in_store(context, work)
    if as_json:
        print_json({**as_values(overview), "why": why_campaign(overview, zone)})
        return
    due = overview.leads[LeadState.ACTIVE] + overview.leads[LeadState.RETRY]
    out().print(
        facts(
            {
                "campaign": overview.campaign.settings.name,
                "status": overview.shown_status,
                "calls": why_campaign(overview, zone),
                "dialed by": overview.owner,
                "leads not done": due + overview.leads[LeadState.COOLOFF] + overview.leads[LeadState.VOICEMAIL],
                "calls in flight": overview.open_attempts,
            }
        )
    )
    if overview.verdicts:
        _head("The rules of the next call, as its daemon last saw them:")
        out().print(table(("rule", "", "what it means", "fact"), [_pacing_row(told) for told in overview.verdicts]))
    if overview.held_leads:
        _head("Leads that a rule holds back, or has ended:")
        out().print(held_table(overview.held_leads, zone))


def _head(title: str) -> None:
    out().print()
    out().print(plain(title))


def _pacing_row(told: Mapping[str, Any]) -> tuple[object, ...]:
    verdict = "allows" if told["allows"] else "FORBIDS"
    sentence = "" if told["allows"] else HOLD_SENTENCES[told["reason"]]
    return told["reason"], verdict, sentence, _told(told["fact"] or {})


def held_table(held: Sequence[WaitingLeads], zone: str) -> RenderableType:
    rows = [(one.rule, one.leads, local(one.until, zone) if one.until else "for good") for one in held]
    return table(("rule", "leads", "the first of them until"), rows)


@app.command("lead")
def explain_lead(context: typer.Context, lead: LeadId, as_json: AsJson = False) -> None:
    """Say why a lead is not called now: what every rule says of it, and all that happened to it."""

    async def work(stores: Stores) -> LeadStory:
        return await story_of(stores, lead, await stores.zone())

    story = in_store(context, work)
    if as_json:
        print_json(story_values(story))
    else:
        _print(story)


def _print(story: LeadStory) -> None:
    lead = story.record.lead
    out().print(
        facts(
            {
                "lead": f"{lead.id} {mask_numbers_in(lead.display_name)} {', '.join(mask(number) for number in lead.numbers)}",
                "campaign": story.campaign.campaign.settings.name,
                "state": lead.state,
                "now": why_lead(story),
            }
        )
    )
    _head("The rules, as they stand at this moment:")
    columns = ("rule", "number", "", "until", "facts")
    out().print(table(columns, [_rule_row(verdict, story.zone) for verdict in story.verdicts]))
    if story.lines:
        _head("What happened:")
        rows = [(local(line.at, story.zone), line.fact, _told(line.details)) for line in story.lines]
        out().print(table(("when", "what", "details"), rows))


def _rule_row(verdict: Verdict, zone: str) -> tuple[object, ...]:
    number = mask(verdict.number) if verdict.number else ""
    return verdict.rule, number, *_says(verdict, zone), _told(verdict.facts)


def _says(verdict: Verdict, zone: str) -> tuple[str, str]:
    if verdict.allows:
        return "allows", ""
    endless = "for good" if verdict.event else "somebody changes it"
    return "FORBIDS", local(verdict.until, zone) if verdict.until else endless


def _told(details: Mapping[str, object]) -> str:
    return mask_numbers_in(", ".join(f"{name}: {value}" for name, value in details.items() if value is not None))
