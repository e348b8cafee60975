"""`dialerd webhook`: who is told what happens, and what they could not be told."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from dialerd.cli.audited import audited
from dialerd.cli.console import AsJson, local, out, print_json, say, table
from dialerd.cli.doors import FAILED
from dialerd.cli.options import HIGHEST_ID
from dialerd.cli.session import Stores, in_store, session_of
from dialerd.domain.webhooks import SUBSCRIBABLE, Delivery, DeliveryState, EventType, Webhook, WebhookKind
from dialerd.guarded_http.public_address import raise_unless_askable

app = typer.Typer(help="Tell programs elsewhere what happens, signed, by HTTP.", no_args_is_help=True)

LOOK_S = 0.2

WebhookId = Annotated[
    int,
    typer.Argument(metavar="ID", min=1, max=HIGHEST_ID, help="As `dialerd webhook list` says it.", show_default=False),
]
DeliveryId = Annotated[
    int | None,
    typer.Option("--delivery", min=1, max=HIGHEST_ID, help="One dead letter. Default: all of the webhook."),
]
Events = Annotated[
    list[EventType] | None,
    typer.Option(
        "--event", help=f"Several may be given: {', '.join(SUBSCRIBABLE)}. Default: all but lead.state_changed."
    ),
]
USUAL = tuple(each for each in SUBSCRIBABLE if each is not EventType.LEAD_STATE_CHANGED)
COLUMNS = ("id", "kind", "campaign", "name", "URL", "events", "state", "waiting", "dead", "last told")


@app.command("add")
def add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are sent to by POST.", show_default=False)],
    events: Events = None,
    campaign: Annotated[
        str | None, typer.Option(help="Of this campaign alone: name or id. Default: of all of the account.")
    ] = None,
    name: Annotated[str, typer.Option(help="For people.")] = "",
    enabled: Annotated[bool, typer.Option("--enabled/--disabled", help="Whether to tell it anything yet.")] = True,
    as_json: AsJson = False,
) -> None:
    """Tell a program what happens. The secret that its messages are signed with is shown once (docs/webhooks.md)."""
    _judge(context, url)

    async def work(stores: Stores) -> tuple[str, Webhook]:
        account = await stores.account()
        campaign_id = (await stores.find_campaign(campaign)).id if campaign is not None else None
        async with audited(stores, "webhook add", {}, {"campaign_id": campaign_id, "events": events or USUAL}) as told:
            secret, webhook = await stores.webhooks.create(
                account.id, url, events or USUAL, campaign_id=campaign_id, name=name, enabled=enabled
            )
            told["webhook_id"] = webhook.id
            return secret, webhook

    secret, webhook = in_store(context, work)
    if as_json:
        print_json({"id": webhook.id, "secret": secret})
        return
    say(f"webhook {webhook.id} is there. Its secret, shown this once: {secret}")
    say(f"Next: dialerd webhook test {webhook.id}")


@app.command("list")
def list_webhooks(context: typer.Context, as_json: AsJson = False) -> None:
    """List the webhooks, how they get on, and how many events wait for each or were given up."""

    async def work(stores: Stores) -> tuple[Sequence[Webhook], str]:
        return await stores.webhooks.list((await stores.account()).id, limit=1000), await stores.zone()

    webhooks, zone = in_store(context, work)
    if as_json:
        print_json(webhooks)
    else:
        out().print(table(COLUMNS, [_row(webhook, zone) for webhook in webhooks]))


def _row(webhook: Webhook, zone: str) -> tuple[object, ...]:
    campaign = "all" if webhook.campaign_id is None else webhook.campaign_id
    events = "results" if webhook.kind is WebhookKind.CRM else ", ".join(webhook.events)
    told = local(webhook.last_told_at, zone)
    described = (webhook.id, webhook.kind, campaign, webhook.name, webhook.url, events)
    return *described, _state(webhook), webhook.waiting, webhook.dead, told


def _state(webhook: Webhook) -> str:
    if not webhook.enabled:
        return f"disabled: {webhook.disabled_why}" if webhook.disabled_why else "disabled"
    return f"failing ({webhook.failures}): {webhook.last_error}" if webhook.failures else "fine"


@app.command("edit")
def edit(
    context: typer.Context,
    webhook_id: WebhookId,
    url: Annotated[str | None, typer.Option(help="Another URL.")] = None,
    events: Events = None,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether to tell it anything. What waits, waits on.")
    ] = None,
    new_secret: Annotated[bool, typer.Option("--new-secret", help="Sign with a new secret, shown once.")] = False,
) -> None:
    """Change a webhook. What waits for it is tried again at once."""
    if (url, events, name, enabled, new_secret) == (None, None, None, None, False):
        raise typer.BadParameter("nothing to change: give at least one option")
    if url is not None:
        _judge(context, url)

    async def work(stores: Stores) -> str | None:
        account = await stores.account()
        changes = {"url": url, "events": events, "name": name, "enabled": enabled}
        changed = [field for field, value in changes.items() if value is not None]
        details = {"changed": [*changed, *(["secret"] if new_secret else [])]}
        async with audited(stores, "webhook edit", {"webhook_id": webhook_id}, details):
            if changed:
                await stores.webhooks.edit(account.id, webhook_id, url=url, events=events, name=name, enabled=enabled)
            return await stores.webhooks.renew_secret(account.id, webhook_id) if new_secret else None

    secret = in_store(context, work)
    say(f"webhook {webhook_id} is changed" + (f". Its new secret, shown this once: {secret}" if secret else ""))


@app.command("remove")
def remove(context: typer.Context, webhook_id: WebhookId) -> None:
    """Forget a webhook, with all that is on its way to it."""

    async def work(stores: Stores) -> None:
        async with audited(stores, "webhook remove", {"webhook_id": webhook_id}):
            await stores.webhooks.remove((await stores.account()).id, webhook_id)

    in_store(context, work)
    say(f"webhook {webhook_id} is removed")


@app.command("test")
def send_test(
    context: typer.Context,
    webhook_id: WebhookId,
    wait_s: Annotated[float, typer.Option("--wait", min=0.1, max=300, help="Seconds to wait for the daemon.")] = 30.0,
) -> None:
    """Send a test message by a running daemon, and say what came of it."""

    async def work(stores: Stores) -> Delivery | None:
        account = await stores.account()
        delivery_id = await stores.webhooks.ping(account.id, webhook_id)
        try:
            async with asyncio.timeout(wait_s):
                while True:
                    delivery = await stores.webhooks.delivery(account.id, webhook_id, delivery_id)
                    if delivery.state is not DeliveryState.WAITING:
                        return delivery
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            return None

    delivery = in_store(context, work)
    if delivery is not None and delivery.state is DeliveryState.DELIVERED:
        say(f"webhook {webhook_id} took the test message (status {delivery.status})")
        return
    why = delivery.error if delivery else f"nothing came of it within {wait_s:g} s: does a daemon run?"
    say(f"webhook {webhook_id} did not take the test message: {why}")
    raise typer.Exit(FAILED)


@app.command("deadletters")
def dead_letters(
    context: typer.Context,
    webhook_id: WebhookId,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most to show, the oldest first.")] = 100,
    drop: Annotated[bool, typer.Option("--drop", help="Forget them instead of listing them.")] = False,
    delivery_id: DeliveryId = None,
    as_json: AsJson = False,
) -> None:
    """List the events that a webhook could not be told for too long, or forget them."""
    if drop:
        dropped = in_store(context, lambda stores: _drop(stores, webhook_id, delivery_id))
        say(f"{dropped} dead letters are dropped")
        return

    async def work(stores: Stores) -> tuple[Sequence[Delivery], str]:
        account = await stores.account()
        dead = await stores.webhooks.deliveries(account.id, webhook_id, DeliveryState.DEAD, limit=limit)
        return [each for each in dead if delivery_id in (None, each.id)], await stores.zone()

    dead, zone = in_store(context, work)
    if as_json:
        print_json(dead)
        return
    rows = [(each.id, each.event.type, local(each.event.at, zone), each.tries, each.error) for each in dead]
    out().print(table(("delivery", "event", "happened", "tries", "why"), rows))


async def _drop(stores: Stores, webhook_id: int, delivery_id: int | None) -> int:
    async with audited(stores, "webhook deadletters --drop", {"webhook_id": webhook_id}):
        return await stores.webhooks.drop((await stores.account()).id, webhook_id, delivery_id)


@app.command("replay")
def replay(context: typer.Context, webhook_id: WebhookId, delivery_id: DeliveryId = None) -> None:
    """Try dead letters again, with new patience."""

    async def work(stores: Stores) -> int:
        async with audited(stores, "webhook replay", {"webhook_id": webhook_id}):
            return await stores.webhooks.replay((await stores.account()).id, webhook_id, delivery_id)

    say(f"{in_store(context, work)} dead letters are on their way again")


def _judge(context: typer.Context, url: str) -> None:
    """By its looks. Raises UrlRefused."""
    raise_unless_askable(url, session_of(context).settings.webhooks.allowed_networks)
