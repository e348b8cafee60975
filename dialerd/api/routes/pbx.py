"""Queues and agents, as daemons see them on Asterisk."""

from dialerd.api.parts import TheStores
from dialerd.api.routes.campaigns import Viewer
from dialerd.api.routing import router
from dialerd.api.schemas.body import AfterName, Limit, Page
from dialerd.api.schemas.pbx import AgentOut, QueueOut, SeenQueue
from dialerd.store.pbx import key_of

pbx = router("queues", prefix="/queues")


@pbx.get("", summary="List the queues that Asterisk has")
async def list_queues(_: Viewer, stores: TheStores, limit: Limit = 100, after: AfterName = "") -> Page[QueueOut]:
    """With who waits in each, and what its agents do, as far as a daemon has told within 15 seconds."""
    found = await stores.pbx.queues(after=after, limit=limit + 1)
    items = [QueueOut.model_validate(one) for one in found[:limit]]
    return Page(items=items, next=items[-1].name if len(found) > limit else None)


@pbx.get("/{name}", summary="A queue")
async def get_queue(name: SeenQueue, _: Viewer, stores: TheStores) -> QueueOut:
    return QueueOut.model_validate(await stores.pbx.queue(name))


@pbx.get("/{name}/agents", summary="The agents of a queue")
async def list_agents(
    name: SeenQueue, _: Viewer, stores: TheStores, limit: Limit = 100, after: AfterName = ""
) -> Page[AgentOut]:
    """Empty also where no daemon has told of it within 15 seconds: the queue itself says whether that is so."""
    await stores.pbx.queue(name)
    found = await stores.pbx.agents(name, after=after, limit=limit + 1)
    items = [AgentOut.model_validate(one) for one in found[:limit]]
    return Page(items=items, next=key_of(found[limit - 1]) if len(found) > limit else None)
