"""Listens to both links: news of queues and of leads who call back go to their monitors, those of calls to whoever follows the calls, in
their order."""

import asyncio
import time
from collections.abc import Callable

import structlog

from dialerd.asterisk.ami import Ami, AmiEvent, AmiLinkDown, AmiLinkUp
from dialerd.asterisk.ari import AriEvent, AriLinkDown, AriLinkUp
from dialerd.asterisk.caller_monitor import CallerMonitor
from dialerd.asterisk.events import CallNews, EventReader
from dialerd.asterisk.queue_monitor import QueueMonitor
from dialerd.clock import set_within
from dialerd.errors import DialerdError

log = structlog.get_logger(__name__)

RETRY_S = 1.0

AmiNews = AmiEvent | AmiLinkUp | AmiLinkDown
AriNews = AriEvent | AriLinkUp | AriLinkDown


class Listener:
    """`on_call_news` hears what happens to calls; `on_link` hears that a link came up (True) or went down (False); `on_lag` by how many
    seconds an event was late: from its reading until it was acted upon."""

    def __init__(
        self,
        *,
        ami: Ami,
        reader: EventReader,
        queues: QueueMonitor,
        callers: CallerMonitor,
        on_call_news: Callable[[CallNews], None],
        on_link: Callable[[bool], None],
        on_lag: Callable[[str, float], None],
    ) -> None:
        self._ami = ami
        self._reader = reader
        self._queues = queues
        self._callers = callers
        self._on_call_news = on_call_news
        self._on_link = on_link
        self._on_lag = on_lag
        self._resync_now = asyncio.Event()

    async def listen_to_ami(self, news: "asyncio.Queue[AmiNews]") -> None:
        while True:
            match await news.get():
                case AmiEvent() as event:
                    self._queues.feed(event.name, event.headers)
                    self._callers.feed(event.name, event.headers)
                    self._tell(self._reader.read_ami(event.name, event.headers))
                    self._on_lag("ami", time.monotonic() - event.received)
                case AmiLinkUp():
                    self._resync_now.set()
                    self._on_link(True)
                case AmiLinkDown():
                    self._queues.distrust()
                    self._callers.forget()
                    self._on_link(False)

    async def listen_to_ari(self, news: "asyncio.Queue[AriNews]") -> None:
        while True:
            match await news.get():
                case AriEvent() as event:
                    self._tell(self._reader.read_ari(event.body))
                    self._on_lag("ari", time.monotonic() - event.received)
                case AriLinkUp():
                    self._on_link(True)
                case AriLinkDown():
                    self._on_link(False)

    async def resync_queues(self, every_s: float) -> None:
        """Ask for the state of all queues after every new link, and every `every_s` besides: a lost event must not last."""
        while True:
            asked = self._ami.up.is_set() and await self._ask_for_queues()
            await set_within(self._resync_now, every_s if asked else RETRY_S)
            self._resync_now.clear()

    async def _ask_for_queues(self) -> bool:
        """Whether the answer is on its way."""
        try:
            await self._ami.action("QueueStatus", {"ActionID": self._queues.begin_resync()})
        except DialerdError as trouble:
            log.warning("queue_status_not_asked", why=str(trouble))
            return False
        return True

    def _tell(self, news: CallNews | None) -> None:
        if news is not None:
            self._on_call_news(news)
