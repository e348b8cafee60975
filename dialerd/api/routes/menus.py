"""Voice menus: what a lead hears, which keys there are, and what each of them means."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Path, Response

from dialerd.api.auth import permitted
from dialerd.api.parts import TheStores
from dialerd.api.problems import Problem
from dialerd.api.routing import router
from dialerd.api.schemas.body import AfterName, IfMatch, Limit, Page, page_of, versions_of
from dialerd.api.schemas.menus import MenuIn, MenuOut, menu_out
from dialerd.domain.roles import Caller, Permission
from dialerd.store.menus import menu_of, version_of

menus = router("menus", prefix="/menus")

Viewer = Annotated[Caller, permitted(Permission.VIEW)]
Builder = Annotated[Caller, permitted(Permission.BUILD)]
Name = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9_-]{1,40}$", description="1 to 40 letters, digits, '-' or '_'.", examples=["appointment"]
    ),
]
CHANGED: dict[int | str, dict[str, Any]] = {
    412: {
        "model": Problem,
        "description": "It is not what you have read.",
        "content": {"application/problem+json": {}},
    }
}

IN_USE: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "A campaign leads to it.", "content": {"application/problem+json": {}}}
}


@menus.get("", summary="The account's voice menus")
async def list_menus(caller: Viewer, stores: TheStores, after: AfterName = "", limit: Limit = 100) -> Page[MenuOut]:
    """By name."""
    found = sorted(await stores.menus.list(caller.account), key=lambda menu: menu.name)
    behind = [menu_out(menu) for menu in found if menu.name > after]
    return page_of(behind, limit, lambda menu: menu.name)


@menus.get("/{name}", summary="A voice menu")
async def get_menu(name: Name, caller: Viewer, stores: TheStores, response: Response) -> MenuOut:
    menu = await stores.menus.get(name, caller.account)
    response.headers["ETag"] = f'"{version_of(menu)}"'
    return menu_out(menu)


@menus.put(
    "/{name}", summary="Store a voice menu", responses={**CHANGED, 201: {"model": MenuOut, "description": "A new one."}}
)
async def put_menu(
    name: Name, given: MenuIn, caller: Builder, stores: TheStores, response: Response, if_match: IfMatch = None
) -> MenuOut:
    """In the place of the one of this name. Calls that are in that keep to what they began with."""
    menu = menu_of({"name": name, **given.model_dump(mode="json")})
    is_new = await stores.menus.put(menu, caller.account, versions=versions_of(if_match))
    response.status_code = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    response.headers["ETag"] = f'"{version_of(menu)}"'
    return menu_out(menu)


@menus.delete(
    "/{name}", summary="Remove a voice menu", status_code=HTTPStatus.NO_CONTENT, responses={**CHANGED, **IN_USE}
)
async def remove_menu(name: Name, caller: Builder, stores: TheStores, if_match: IfMatch = None) -> None:
    """Not while a campaign that is not over leads to it."""
    await stores.menus.remove(name, caller.account, versions=versions_of(if_match))
