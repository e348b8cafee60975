"""The daemons that share the database, and which of them are to start no call any more."""

from typing import Annotated

from dialerd.api.auth import permitted
from dialerd.api.parts import TheStores
from dialerd.api.routes.campaigns import Viewer
from dialerd.api.routing import router
from dialerd.api.schemas.body import AfterName, Limit, Page, page_of
from dialerd.api.schemas.nodes import NodeName, NodeOut, node_out
from dialerd.domain.roles import Caller, Permission
from dialerd.store.stores import Stores

nodes = router("nodes", prefix="/nodes")

Operator = Annotated[Caller, permitted(Permission.OPERATE)]


@nodes.get("", summary="List the daemons")
async def list_nodes(_: Viewer, stores: TheStores, limit: Limit = 100, after: AfterName = "") -> Page[NodeOut]:
    found = [node_out(node) for node in await stores.nodes.list() if node.id > after]
    return page_of(found, limit, lambda node: node.id)


@nodes.post("/{name}/drain", summary="Let a daemon start no call any more")
async def drain(name: NodeName, _: Operator, stores: TheStores) -> NodeOut:
    """Its campaigns go to the others at once, its calls to their end. It stays so when it is started again."""
    return await _set_draining(stores, name, True)


@nodes.post("/{name}/undrain", summary="Let a daemon start calls again")
async def undrain(name: NodeName, _: Operator, stores: TheStores) -> NodeOut:
    """Of campaigns that nobody else dials."""
    return await _set_draining(stores, name, False)


async def _set_draining(stores: Stores, name: str, draining: bool) -> NodeOut:
    await stores.nodes.set_draining(name, draining)
    return next(node_out(node) for node in await stores.nodes.list() if node.id == name)
