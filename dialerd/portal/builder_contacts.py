"""Step 2: who is called, and which numbers they see. Both are saved at once, by themselves."""

from dialerd.portal.builder_form import Step
from dialerd.portal.caller_id_pool import draw_pool
from dialerd.portal.lead_import import draw_import


async def draw(step: Step) -> None:
    campaign_id = step.draft.id
    if campaign_id is None:
        return
    await draw_import(step.visit, campaign_id)
    await draw_pool(step.visit, campaign_id)
