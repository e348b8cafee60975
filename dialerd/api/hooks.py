"""What the PBX's own dialplan asks and tells (asterisk-config/extensions_dialerd_hooks.conf): whether a number may be dialed by hand,
who calls back, and that a caller wants to be called no more.

Somebody is on the phone meanwhile: an answer comes at once, or it is `unknown`, and the dialplan does what its operator has chosen
for that. Questions and answers are forms, as Asterisk's CURL() writes and reads them. Nobody signs in: whoever reaches the port may
ask, so it listens on this host alone unless the settings say otherwise, and a page in a browser is turned away.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl, quote, urlencode

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

from dialerd import __version__
from dialerd.domain.accounts import Account
from dialerd.domain.phone import InvalidNumber, normalize
from dialerd.errors import DialerdError, NotFound
from dialerd.store.accounts import AccountStore
from dialerd.store.dnc import DncStore
from dialerd.store.hooks import CallingLead, HookStore
from dialerd.store.pool import Pool

log = structlog.get_logger(__name__)

PATIENCE_S = 0.6
"""What the database may take. The dialplan waits 0.8 s for all."""
LONGEST_FORM = 2000
"""Bytes."""
MOST_FIELDS = 10
SHORT = 6
"""Digits. What has no more, and is no number of the country's plan, is an emergency or service number, or an extension."""
LINE = "opt-out line"
"""How entries of the do-not-call list that callers have made name their source."""
BY_A_BROWSER = ("origin", "sec-fetch-site", "sec-fetch-mode")
"""Headers by which a browser gives itself away, whatever page has sent it."""

Form = Mapping[str, str]
Answer = Mapping[str, object]
UNKNOWN: Answer = {"verdict": "unknown"}


@dataclass(frozen=True, kw_only=True)
class HookStores:
    accounts: AccountStore
    dnc: DncStore
    hooks: HookStore

    @classmethod
    def over(cls, pool: Pool) -> "HookStores":
        return cls(accounts=AccountStore(pool), dnc=DncStore(pool), hooks=HookStore(pool))


class Hooks:
    """The three answers. Each raises DialerdError where it cannot be given."""

    def __init__(self, stores: HookStores, *, callback_within: timedelta) -> None:
        self._stores = stores
        self._callback_within = callback_within

    async def dnc(self, form: Form) -> Answer:
        """`clear`, `listed`, or `unknown` of what is no number. No list can hold a short one, and somebody may need help."""
        account = await self._account(form)
        written = form.get("number", "")
        try:
            number = normalize(written, account.default_region)
        except InvalidNumber:
            return {"verdict": "clear"} if len(written) <= SHORT else UNKNOWN
        return {"verdict": "listed" if await self._stores.dnc.contains(number, account.id) else "clear"}

    async def callback(self, form: Form) -> Answer:
        """`found`, with what is to be known of the lead and who is to talk to it; or `none`."""
        account = await self._account(form)
        number = of_caller(form.get("number", ""), account.default_region)
        if number is None:
            return {"verdict": "none"}
        lead = await self._stores.hooks.note_caller(number, account.id, within=self._callback_within)
        return {"verdict": "none"} if lead is None else _card(lead)

    async def optout(self, form: Form) -> Answer:
        """`listed`, once it is written down; `refused` of what is no number, as of a caller who does not show one."""
        listed = await self.opt_out(form.get("number", ""), form.get("account", ""))
        return {"verdict": "listed" if listed else "refused"}

    async def opt_out(self, shown: str, account_name: str) -> bool:
        """Put a caller's number on the account's do-not-call list. False: it is no number, and can be called by nobody."""
        account = await self._account({"account": account_name})
        number = of_caller(shown, account.default_region)
        if number is not None:
            await self._stores.dnc.add(
                number, account.id, reason="asked to be called no more", source=LINE, added_by=LINE
            )
        return number is not None

    async def _account(self, form: Form) -> Account:
        """The one that the dialplan names, else `default`. Raises NotFound."""
        name = form.get("account") or "default"
        if not name.isprintable():
            raise NotFound("account", repr(name))
        return await self._stores.accounts.get(name)


def of_caller(shown: str, region: str) -> str | None:
    """A caller's number in E.164, as carriers show it: as it is dialed in the country, or with its country code, `+` or not."""
    for written in (shown, f"+{shown}"):
        try:
            return normalize(written, region)
        except InvalidNumber:
            pass
    return None


def _card(lead: CallingLead) -> Answer:
    return {
        "verdict": "found",
        "lead": lead.lead_id,
        "name": lead.name,
        "ticket": lead.ticket_id,
        "campaign": lead.campaign_id,
        "campaign_name": lead.campaign,
        "queue": lead.queue,
        "agent": lead.agent,
        "masked": "1" if lead.masked else "",
        "shown": lead.shown,
        "data": "1" if lead.send_lead_data else "",
    }


def create_hooks(hooks: Hooks) -> FastAPI:
    """POST /dnc, /callback and /optout: forms of `number` and `account`; the answers are forms with a `verdict`."""
    app = FastAPI(title="dialerd hooks", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    for answer in (hooks.dnc, hooks.callback, hooks.optout):
        app.add_api_route(f"/{answer.__name__}", _route(answer), methods=["POST"], response_class=PlainTextResponse)
    return app


def _route(answer: Callable[[Form], Awaitable[Answer]]) -> Callable[[Request], Awaitable[PlainTextResponse]]:
    async def serve(request: Request) -> PlainTextResponse:
        if any(header in request.headers for header in BY_A_BROWSER):
            return PlainTextResponse("a browser is no dialplan\n", status_code=403)
        return PlainTextResponse(urlencode(await _answered(answer, await _form(request)), quote_via=quote))

    return serve


async def _form(request: Request) -> Form:
    """What cannot be read is as if nothing stood in it."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_FORM:
            return {}
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=MOST_FIELDS))
    except ValueError:
        return {}


async def _answered(answer: Callable[[Form], Awaitable[Answer]], form: Form) -> Answer:
    """`unknown` where it takes too long, or is not to be had."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await answer(form)
    except (DialerdError, TimeoutError) as trouble:
        log.warning("hook_without_answer", hook=answer.__name__, why=str(trouble) or "the database takes too long")
        return UNKNOWN
