"""`dialerd webhook`: who is told what happens, and what they could not be told."""

from dialerd.domain.campaigns import CampaignAction
from dialerd.domain.webhooks import EventType
from dialerd.store.webhooks import WebhookStore
from tests.integration.cli.conftest import Dialerd
from tests.integration.store.scene import Stores

URL = "https://example.com/hook"


def dead_letters(dialerd: Dialerd) -> None:
    """Two, of two webhooks that want everything."""

    async def work(stores: Stores) -> None:
        await stores.campaigns.act((await stores.a_draft()).id, CampaignAction.CANCEL)
        await stores.pool.execute("UPDATE webhook_deliveries SET state = 'dead', ended_at = now(), error = 'was away'")

    dialerd.in_stores(work)


def test_a_webhook_is_added_and_its_secret_is_shown_once(dialerd: Dialerd) -> None:
    told = dialerd("webhook", "add", URL, "--name", "warehouse").out
    assert "whsec_" in told
    [webhook] = dialerd("webhook", "list", "--json").json
    assert (webhook["url"], webhook["name"], webhook["campaign_id"]) == (URL, "warehouse", None)
    assert EventType.LEAD_STATE_CHANGED not in webhook["events"]
    assert "whsec_" not in dialerd("webhook", "list").out + dialerd("webhook", "list", "--json").out
    renewed = dialerd("webhook", "edit", "1", "--new-secret").out
    assert "whsec_" in renewed
    assert renewed.split()[-1] not in told


def test_what_it_says_of_its_audit_has_no_secret(dialerd: Dialerd) -> None:
    dialerd("webhook", "add", URL)
    dialerd("webhook", "edit", "1", "--disable", "--new-secret")
    told = dialerd("audit-log", "list", "--json").out if "audit-log" in dialerd("--help").out else ""
    assert "webhook edit" in told
    assert "whsec_" not in told


def test_an_address_inside_our_network_is_refused(dialerd: Dialerd) -> None:
    assert "not a public address" in dialerd.refused("webhook", "add", "http://10.0.0.1/hook")
    dialerd("webhook", "add", URL)
    assert "not a public address" in dialerd.refused("webhook", "edit", "1", "--url", "http://127.0.0.1/")


def test_it_is_changed_and_removed(dialerd: Dialerd) -> None:
    dialerd("webhook", "add", URL, "--event", "menu.result")
    dialerd("webhook", "edit", "1", "--disable", "--event", "attempt.ended")
    [webhook] = dialerd("webhook", "list", "--json").json
    assert (webhook["enabled"], webhook["events"]) == (False, ["attempt.ended"])
    assert "give at least one option" in dialerd.refused("webhook", "edit", "1", status=2)
    dialerd("webhook", "remove", "1")
    assert dialerd("webhook", "list", "--json").json == []
    assert "no webhook 1" in dialerd.refused("webhook", "remove", "1")


def test_a_test_message_needs_a_daemon(dialerd: Dialerd) -> None:
    dialerd("webhook", "add", URL)
    answer = dialerd.answer("webhook", "test", "1", "--wait", "0.2")
    assert answer.status == 1
    assert "does a daemon run?" in answer.out


def test_dead_letters_are_listed_replayed_and_dropped(dialerd: Dialerd) -> None:
    dialerd("webhook", "add", URL)
    dialerd("webhook", "add", URL)
    dead_letters(dialerd)
    [dead] = dialerd("webhook", "deadletters", "1", "--json").json
    assert (dead["event"]["type"], dead["error"]) == ("campaign.status_changed", "was away")
    assert "was away" in dialerd("webhook", "deadletters", "1").out
    assert "1 dead letters are on their way again" in dialerd("webhook", "replay", "1").out
    assert dialerd("webhook", "deadletters", "1", "--json").json == []
    assert "1 dead letters are dropped" in dialerd("webhook", "deadletters", "2", "--drop").out
    assert "no dead letter 9" in dialerd.refused("webhook", "replay", "2", "--delivery", "9")

    async def waiting(stores: Stores) -> list[int]:
        account = (await stores.accounts.get()).id
        return [webhook.waiting for webhook in await WebhookStore(stores.pool).list(account)]

    assert dialerd.in_stores(waiting) == [1, 0]
