"""What stands around every page: the head, the way to the other pages, and the sentence where a page cannot be shown."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from nicegui import ui
from nicegui.elements.drawer import LeftDrawer

from dialerd.domain.roles import Permission
from dialerd.portal.dialogs import show_refusal
from dialerd.portal.door import Refused, SignedOut
from dialerd.portal.texts import texts
from dialerd.portal.visit import Visit

say = texts("frame")

SESSION_LOOK_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Page:
    """`needs`: what its user must be permitted; of several, one will do. None: whoever has signed in. `narrow`: for forms and reading."""

    path: str
    title: str
    show: Callable[[Visit], Awaitable[None]]
    needs: frozenset[Permission] | None = None
    narrow: bool = False


@dataclass(frozen=True, kw_only=True)
class Way:
    """An entry of the menu. `name` is that of its text, too."""

    name: str
    path: str
    icon: str
    needs: frozenset[Permission]


_VIEW = frozenset({Permission.VIEW})
_BUILD = frozenset({Permission.BUILD})
WAYS: Sequence[Sequence[Way]] = (
    (
        Way(name="campaigns", path="/campaigns", icon="campaign", needs=_VIEW),
        Way(name="activity", path="/activity", icon="history", needs=frozenset({Permission.VIEW_LEADS})),
        Way(name="recordings", path="/recordings", icon="graphic_eq", needs=frozenset({Permission.LISTEN})),
        Way(name="queues", path="/queues", icon="groups", needs=_VIEW),
        Way(name="desktop", path="/desktop", icon="headset_mic", needs=frozenset({Permission.WORK})),
    ),
    (
        Way(
            name="dnc",
            path="/do-not-call",
            icon="do_not_disturb_on",
            needs=frozenset({Permission.MANAGE_DNC, Permission.CHECK_DNC}),
        ),
        Way(name="caller_ids", path="/caller-ids", icon="dialpad", needs=_BUILD),
        Way(name="media", path="/media", icon="volume_up", needs=_BUILD),
        Way(name="menus", path="/voice-menus", icon="account_tree", needs=_BUILD),
        Way(name="webhooks", path="/webhooks", icon="webhook", needs=frozenset({Permission.MANAGE_WEBHOOKS})),
    ),
    (
        Way(name="users", path="/users", icon="people", needs=frozenset({Permission.MANAGE_USERS})),
        Way(name="tokens", path="/tokens", icon="key", needs=frozenset({Permission.MANAGE_TOKENS})),
        Way(name="audit", path="/audit-log", icon="fact_check", needs=frozenset({Permission.VIEW_AUDIT})),
        Way(name="nodes", path="/nodes", icon="dns", needs=_VIEW),
        Way(name="settings", path="/settings", icon="settings", needs=frozenset({Permission.MANAGE_ACCOUNT})),
    ),
)
OWN = "/account"
"""One's own password and sessions."""


def home_for(permissions: Collection[Permission]) -> str:
    """Where who signs in wants to be first."""
    return "/campaigns" if Permission.VIEW in permissions else "/desktop"


async def show(visit: Visit, page: Page) -> None:
    """The page within its frame; or why it cannot be shown."""
    ui.page_title(f"{page.title} · dialerd")
    visit.every(SESSION_LOOK_S, lambda: visit.door.get("/session"))
    with _frame(visit, page):
        if page.needs is not None and not page.needs & visit.caller.permissions:
            visit.client.status_code = HTTPStatus.FORBIDDEN
            _sorry(say("not_permitted"), say("not_permitted_more", role=visit.caller.role))
            return
        try:
            await page.show(visit)
        except SignedOut:
            visit.sign_in_again()
        except Refused as refused:
            visit.client.status_code = refused.status
            _sorry(say("cannot_show"), refused.detail)


@contextmanager
def _frame(visit: Visit, page: Page) -> Iterator[None]:
    ui.colors(primary="#0f6b5c", secondary="#37474f", accent="#b4540a", positive="#1b7f4b", negative="#b3261e")
    main = ui.element("main").classes("d-main" + (" d-narrow" if page.narrow else ""))
    ui.skip_link(say("skip"), target=main)
    _head(visit, _menu(visit))
    with main:
        yield


def _head(visit: Visit, drawer: LeftDrawer) -> None:
    with ui.header().classes("d-head"):
        menu = ui.button(icon="menu", on_click=drawer.toggle).props("flat dense round color=white")
        menu.props["aria-label"] = say("menu")
        ui.link("dialerd", home_for(visit.caller.permissions)).classes("d-logo")
        ui.label(visit.caller.account).classes("d-account")
        ui.space()
        theme = ui.button(icon="contrast").props("flat dense round color=white")
        theme.props["aria-label"] = say("theme")
        theme.on("click", js_handler=_TOGGLE_THEME)
        with (
            ui.button(visit.caller.actor.removeprefix("user "), icon="person").props("flat no-caps color=white"),
            ui.menu(),
        ):
            ui.menu_item(say("own"), on_click=lambda: ui.navigate.to(OWN))
            ui.menu_item(say("api"), on_click=lambda: ui.navigate.to("/api/docs", new_tab=True))
            ui.menu_item(say("sign_out")).on("click", js_handler=_SIGN_OUT)


def _menu(visit: Visit) -> LeftDrawer:
    with (
        ui.left_drawer(bordered=True).props("width=232 breakpoint=1000").classes("d-menu") as drawer,
        ui.element("nav") as nav,
    ):
        nav.props["aria-label"] = say("menu")
        for group in WAYS:
            ways = [way for way in group if way.needs & visit.caller.permissions]
            for way in ways:
                _draw_way(visit, way)
            if ways and group is not WAYS[-1]:
                ui.separator()
    return drawer


def _draw_way(visit: Visit, way: Way) -> None:
    here = visit.path == way.path or visit.path.startswith(f"{way.path}/")
    with ui.element("a").props(f"href={way.path}").classes("d-way" + (" d-here" if here else "")) as link:
        if here:
            link.props("aria-current=page")
        ui.icon(way.icon, size="20px").props("aria-hidden=true")
        ui.label(say(f"ways.{way.name}"))


def _sorry(title: str, detail: str) -> None:
    with ui.column().classes("d-empty"):
        ui.label(title).classes("d-title").props("role=heading aria-level=1")
        show_refusal(detail, ())


def heading(title: str, *, under: str = "") -> ui.row:
    """Of a page: its title, what it is about, and to the right what is put into the row that comes back."""
    with ui.row().classes("d-heading"):
        with ui.column().classes("d-heading-text"):
            ui.label(title).classes("d-h1").props("role=heading aria-level=1")
            if under:
                ui.label(under).classes("d-help")
        ui.space()
        return ui.row().classes("d-buttons")


@contextmanager
def section(title: str, *, help: str = "") -> Iterator[ui.card]:
    """A part of a page, with its heading."""
    with ui.card().classes("d-section") as card:
        ui.label(title).classes("d-h2").props("role=heading aria-level=2")
        if help:
            ui.label(help).classes("d-help")
        yield card


def draw_download(text: str, address: str = "") -> ui.element:
    """A link that downloads a file. A list's address (`href`) is put in with every search, so that the file has what the list shows."""
    with ui.element("a").props("download").classes("d-link d-download") as link:
        link.props["href"] = address
        ui.icon("download", size="18px").props("aria-hidden=true")
        ui.label(text)
    return link


_TOGGLE_THEME = """() => {
    const dark = !Quasar.Dark.isActive;
    Quasar.Dark.set(dark);
    document.cookie = `dialerd_theme=${dark ? 'dark' : 'light'}; path=/; max-age=31536000; samesite=strict`;
}"""
_SIGN_OUT = """() => fetch('/api/v1/session', {method: 'DELETE'}).finally(() => location.assign('/sign-in'))"""
