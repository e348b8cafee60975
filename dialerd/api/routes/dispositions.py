"""What agents of a campaign may say of a talk."""

from typing import Annotated

from dialerd.api.auth import permitted
from dialerd.api.parts import TheStores
from dialerd.api.routes.campaigns import campaign_for
from dialerd.api.routing import router
from dialerd.api.schemas.agents import DispositionOut, disposition_out
from dialerd.api.schemas.body import Id, Page
from dialerd.domain.roles import Caller, Permission

dispositions = router("campaigns", prefix="/campaigns")

Viewer = Annotated[Caller, permitted(Permission.VIEW)]


@dispositions.get("/{campaign_id}/dispositions", summary="A campaign's dispositions")
async def list_dispositions(campaign_id: Id, caller: Viewer, stores: TheStores) -> Page[DispositionOut]:
    """What agents may say of a talk, in the order of the buttons; all on one page. They are among the campaign's settings."""
    campaign = await campaign_for(stores, caller, campaign_id)
    return Page(items=[disposition_out(each) for each in campaign.settings.dispositions], next=None)
