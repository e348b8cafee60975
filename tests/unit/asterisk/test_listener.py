"""Both lines, heard in their order, and the queues asked for whenever something may have been missed."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from dialerd.asterisk.ami import AmiEvent, AmiLinkDown, AmiLinkUp, AmiTimeout
from dialerd.asterisk.ari import AriEvent, AriLinkDown, AriLinkUp
from dialerd.asterisk.caller_monitor import CallerMonitor
from dialerd.asterisk.events import CallNews, EventReader
from dialerd.asterisk.listener import RETRY_S, AmiNews, AriNews, Listener
from dialerd.asterisk.queue_monitor import QueueMonitor
from dialerd.domain.callers import Caller
from dialerd.domain.calls import LeadHeld, LeadRang
from tests.factories import ATTEMPT
from tests.fakes.clock import VirtualTimeLoop, pass_time
from tests.fakes.links import CutAmi

FOREVER_S = 3600.0
UP = AmiLinkUp("noon", False, frozenset())


class Ears:
    def __init__(self) -> None:
        self.ami, self.reader, self.queues = CutAmi(), EventReader(), QueueMonitor(now=lambda: 0.0)
        self.ami_news: asyncio.Queue[AmiNews] = asyncio.Queue()
        self.ari_news: asyncio.Queue[AriNews] = asyncio.Queue()
        self.heard: list[CallNews | bool] = []
        self.lags: list[tuple[str, float]] = []
        self.callers: list[Caller] = []
        self.reader.watch_lead(ATTEMPT)
        self.listener = Listener(
            ami=self.ami,
            reader=self.reader,
            queues=self.queues,
            callers=CallerMonitor(on_change=self.callers.append),
            on_call_news=self.heard.append,
            on_link=self.heard.append,
            on_lag=lambda link, seconds: self.lags.append((link, seconds)),
        )

    async def comes(self, *news: AmiNews) -> None:
        for each in news:
            self.ami_news.put_nowait(each)
        await quiet()

    def questions(self) -> list[str]:
        return [action.headers["ActionID"] for action in self.ami.actions if action.name == "QueueStatus"]


async def quiet() -> None:
    """Until all that can be done has been done; here nothing waits for a clock."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def listening(*, every_s: float = FOREVER_S, up: bool = True) -> AsyncIterator[Ears]:
    ears = Ears()
    if not up:
        ears.ami.up.clear()
    async with asyncio.TaskGroup() as tasks:
        ear = [
            tasks.create_task(ears.listener.listen_to_ami(ears.ami_news)),
            tasks.create_task(ears.listener.listen_to_ari(ears.ari_news)),
            tasks.create_task(ears.listener.resync_queues(every_s)),
        ]
        await quiet()
        yield ears
        for task in ear:
            task.cancel()


def event(name: str, **headers: str) -> AmiEvent:
    return AmiEvent(name, headers, received=0.0)


async def test_news_of_calls_come_in_the_order_in_which_they_were_told() -> None:
    async with listening() as ears:
        ringing = event("Newstate", Uniqueid=str(ATTEMPT), ChannelState="5")
        await ears.comes(UP, ringing, event("Newstate", Uniqueid="another", ChannelState="5"), AmiLinkDown("lost"))
        assert ears.heard == [True, CallNews(ATTEMPT, LeadRang()), False]


async def test_both_lines_are_heard() -> None:
    async with listening() as ears:
        start = {"type": "StasisStart", "args": ["lead"], "channel": {"id": str(ATTEMPT), "name": "PJSIP/carrier-01"}}
        for news in (AriLinkUp(), AriEvent("StasisStart", start, received=0.0), AriLinkDown("lost")):
            ears.ari_news.put_nowait(news)
        await quiet()
        assert ears.heard == [True, CallNews(ATTEMPT, LeadHeld()), False]


async def test_how_late_each_event_was_is_told_by_line() -> None:
    async with listening() as ears:
        now = time.monotonic()
        await ears.comes(UP, AmiEvent("Newstate", {}, received=now - 5))
        ears.ari_news.put_nowait(AriEvent("PlaybackStarted", {}, received=now - 7))
        await quiet()
        (ami, ami_s), (ari, ari_s) = ears.lags
        assert (ami, ari) == ("ami", "ari")
        assert 5 <= ami_s < 7 <= ari_s


async def test_the_queues_learn_of_a_change_before_the_calls_do() -> None:
    """So that no decision can count a called agent as free and as no longer promised."""
    async with listening() as ears:
        ears.queues.watch("sales", lambda: ears.heard.append(True))
        (question,) = ears.questions()
        await ears.comes(
            event("QueueParams", Queue="sales"),
            event("QueueMember", Queue="sales", Location="PJSIP/anna", Status="1", Paused="0"),
            event("QueueStatusComplete", ActionID=question),
            event("AgentCalled", Queue="sales", Uniqueid=str(ATTEMPT), Interface="PJSIP/anna"),
        )
        assert [type(each) for each in ears.heard] == [bool, bool, CallNews]


async def test_a_lead_who_calls_back_is_followed_while_the_link_is_up() -> None:
    async with listening() as ears:
        await ears.comes(
            UP,
            event("UserEvent", UserEvent="DialerdCaller", Uniqueid="1.1", Lead="17"),
            event("AgentCalled", Uniqueid="1.1", Interface="PJSIP/anna"),
            AmiLinkDown("lost"),
        )
        assert [dict(caller.agents) for caller in ears.callers] == [{"PJSIP/anna": "ringing"}, {}]


async def test_the_queues_are_asked_for_after_every_new_link() -> None:
    async with listening(up=False) as ears:
        assert ears.questions() == []
        ears.ami.up.set()
        await ears.comes(UP)
        assert ears.questions() == ["queues-1"]
        await ears.comes(AmiLinkDown("lost"), UP)
        assert ears.questions() == ["queues-1", "queues-2"]


async def test_what_is_known_of_the_queues_is_not_trusted_once_the_link_is_lost() -> None:
    async with listening() as ears:
        (question,) = ears.questions()
        await ears.comes(event("QueueParams", Queue="sales"), event("QueueStatusComplete", ActionID=question))
        assert ears.queues.snapshot("sales").known
        await ears.comes(AmiLinkDown("lost"))
        assert not ears.queues.snapshot("sales").known


async def test_a_lost_ari_says_nothing_of_the_queues() -> None:
    async with listening() as ears:
        (question,) = ears.questions()
        await ears.comes(event("QueueParams", Queue="sales"), event("QueueStatusComplete", ActionID=question))
        ears.ari_news.put_nowait(AriLinkDown("lost"))
        await quiet()
        assert ears.queues.snapshot("sales").known


def in_virtual_time(story: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(story)


def test_the_queues_are_asked_for_from_time_to_time() -> None:
    async def story() -> None:
        async with listening(every_s=30) as ears:
            await pass_time(91)
            assert ears.questions() == [f"queues-{number}" for number in (1, 2, 3, 4)]

    in_virtual_time(story())


def test_a_question_that_did_not_get_through_is_asked_again_soon() -> None:
    async def story() -> None:
        async with listening(up=False) as ears:
            ears.ami.refusals["QueueStatus"] = [AmiTimeout(), AmiTimeout()]
            ears.ami.up.set()
            await pass_time(3 * RETRY_S)
            assert len(ears.questions()) == 3
            await pass_time(10 * RETRY_S)
            assert len(ears.questions()) == 3

    in_virtual_time(story())
