"""A campaign that is being built: what the server has of it, and how what was entered gets there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dialerd.api.schemas.campaigns import SettingsBody, SettingsChanges
from dialerd.domain.calls import CallFlow
from dialerd.domain.campaigns import CampaignStatus, MachineDetection, Target
from dialerd.portal.door import Answer
from dialerd.portal.visit import Visit

NEW = SettingsBody.model_validate({"name": ""}).model_dump(mode="json")
"""The settings of a campaign of which nothing has been chosen."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """`settings` and `etag` are those that the server had when it was last asked; no id: it has never been saved."""

    id: int | None = None
    settings: Mapping[str, Any] = field(default_factory=lambda: dict(NEW))
    etag: str | None = None
    campaign: Mapping[str, Any] = field(default_factory=dict)
    """As the API tells it; empty for one that is new."""

    @property
    def status(self) -> CampaignStatus:
        return CampaignStatus(self.campaign.get("status", CampaignStatus.DRAFT))

    @property
    def path(self) -> str:
        return f"/campaigns/{self.id}"


async def load(visit: Visit, campaign_id: str | int) -> Draft:
    """Raises Refused."""
    return _draft(await visit.door.ask("GET", f"/campaigns/{campaign_id}"))


async def save(visit: Visit, draft: Draft, changes: Mapping[str, Any]) -> Draft:
    """With the changes, as the server has it then. Raises Refused; `changed-meanwhile` where it is not what was read."""
    if draft.id is None:
        return _draft(await visit.door.ask("POST", "/campaigns", body=dict(changes)))
    if not changes:
        return draft
    return _draft(await visit.door.ask("PATCH", draft.path, body=dict(changes), etag=draft.etag))


def fitting(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """What has to change along with the changes, so that the settings still go together (domain.campaigns); what is among the changes
    is chosen, and stays."""
    found = {}
    wanted = {**settings, **changes}
    mode, target = wanted["dial_mode"], wanted["target"]
    stays = {"progressive": set(Target), "preview": {Target.QUEUE}, "agent_first": set(Target) - {Target.MENU}}
    if target not in stays[mode]:
        found["target"] = str(Target.QUEUE)
    if wanted["machine_detection"] != MachineDetection.OFF and not detects_machines({**wanted, **found}):
        found["machine_detection"] = str(MachineDetection.OFF)
    return {name: value for name, value in found.items() if name not in changes}


def detects_machines(settings: Mapping[str, Any]) -> bool:
    """Whether a lead waits for an agent, so that there is time to listen for machines."""
    return flow_of(settings) in (CallFlow.PROGRESSIVE, CallFlow.PREVIEW)


def flow_of(settings: Mapping[str, Any]) -> CallFlow:
    body = {name: settings[name] for name in ("dial_mode", "target", "preview_order")}
    return SettingsBody.model_validate({"name": "", **body}).settings.flow


def readable(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the kept values that settings can have: nobody knows what else has written them."""
    found = {}
    for name, value in kept.items():
        if name not in NEW:
            continue
        try:
            SettingsChanges.model_validate({name: value})
        except ValueError:
            continue
        found[name] = value
    return found


def _draft(answer: Answer) -> Draft:
    campaign = answer.body
    return Draft(id=campaign["id"], settings=campaign["settings"], etag=answer.etag, campaign=campaign)
