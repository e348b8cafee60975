"""What campaigns are built from beside leads and numbers: sounds, voice menus, and webhooks."""

from nicegui import ui
from playwright.async_api import expect

from dialerd.api.parts import Parts
from tests.portal.browser import settled
from tests.portal.conftest import PageOf, UserOf
from tests.portal.hands import told_at, until
from tests.portal.scene import Scene

# --- sounds -----------------------------------------------------------------------------------------------------------


async def test_sounds_are_listed_with_the_name_that_asterisk_knows_and_can_be_listened_to(user_of: UserOf) -> None:
    olga = await user_of("olga")
    await olga.open("/media")
    await olga.should_see("dialerd-media/1/ask")
    sources = [element.props.get("src") for element in olga.find(kind=ui.element).elements]
    assert "/api/v1/media/ask/content" in sources


async def test_who_only_looks_uploads_and_removes_no_sound(user_of: UserOf) -> None:
    rex = await user_of("rex")
    await rex.open("/media")
    await rex.should_see("dialerd-media/1/ask")
    await rex.should_not_see("Choose the file")


async def test_a_sound_that_a_menu_plays_is_not_removed_and_the_reason_is_told(user_of: UserOf, parts: Parts) -> None:
    olga = await user_of("olga")
    await olga.open("/media")
    button = min(
        (each for each in olga.find(kind=ui.button).elements if each.props.get("icon") == "delete"),
        key=lambda each: each.id,
    )
    button.props["label"] = "remove ask"
    with olga:
        olga.find("remove ask").click()
    await olga.should_see("cannot be removed")
    olga.find(kind=ui.button, content="Remove").click()
    await olga.should_see("That cannot be done")
    assert (await parts.stores.media.get(1, "ask")).name == "ask"


async def test_in_a_browser_a_file_that_is_no_sound_is_refused_with_the_reason(page_of: PageOf, address: str) -> None:
    page = await page_of("olga")
    await page.goto(f"{address}/media")
    await settled(page)
    await page.get_by_label("Name").fill("not good")
    await page.get_by_role("button", name="Choose the file").click()
    await expect(page.get_by_text("1 to 40 letters, digits, - or _")).to_be_visible()
    await page.get_by_label("Name").fill("welcome")
    async with page.expect_file_chooser() as chosen:
        await page.get_by_role("button", name="Choose the file").click()
    await (await chosen.value).set_files({"name": "a.wav", "mimeType": "audio/wav", "buffer": b"nonsense"})
    await expect(page.get_by_role("alertdialog")).to_contain_text("sound")


# --- voice menus ------------------------------------------------------------------------------------------------------


async def test_a_voice_menu_is_changed_and_stored_whole(user_of: UserOf, parts: Parts) -> None:
    olga = await user_of("olga")
    await olga.open("/voice-menus/appointment")
    results = [each for each in olga.find(kind=ui.input).elements if each.value == "confirmed"]
    with olga:
        results[0].value = "agreed"
    olga.find("Save").click()
    await olga.should_see("The voice menu is stored")
    menu = await parts.stores.menus.get("appointment", "default")
    assert menu.nodes["start"].choices["1"].result == "agreed"
    assert menu.nodes["cancel"].choices["2"].goto == "start"


async def test_what_is_wrong_with_a_menu_is_told_with_its_part_and_key(user_of: UserOf) -> None:
    olga = await user_of("olga")
    await olga.open("/voice-menus/new")
    olga.find("Name").type("survey")
    olga.find("Save").click()
    await olga.should_see("node start: prompt: name the sound that is played")


async def test_a_new_menu_does_not_take_the_place_of_another_by_mistake(user_of: UserOf, parts: Parts) -> None:
    olga = await user_of("olga")
    before = await parts.stores.menus.get("appointment", "default")
    await olga.open("/voice-menus/new")
    name = next(each for each in olga.find(kind=ui.input).elements if each.props.get("label") == "Name")
    with olga:
        name.value = "appointment"
    olga.find("Save").click()
    await until(lambda: name.error is not None, "the name is refused")
    assert name.error == "there is a voice menu of this name already"
    assert await parts.stores.menus.get("appointment", "default") == before


# --- webhooks ---------------------------------------------------------------------------------------------------------


async def test_a_webhook_is_added_and_its_secret_shown_once(user_of: UserOf, parts: Parts, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open("/webhooks")
    olga.find("Add a webhook").click()
    await olga.should_see(kind=ui.input, content="Address")
    olga.find(kind=ui.input, content="Name").type("warehouse")
    olga.find(kind=ui.input, content="Address").type("https://example.com/hooks")
    olga.find("Save").click()
    await olga.should_see("It is shown here, and never again.")
    stored = await parts.stores.webhooks.list(scene.account_id, limit=10)
    assert {each.name for each in stored} == {"CRM", "warehouse"}


async def test_an_address_within_our_own_network_is_refused(user_of: UserOf, parts: Parts, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open("/webhooks")
    olga.find("Add a webhook").click()
    await olga.should_see(kind=ui.input, content="Address")
    olga.find(kind=ui.input, content="Address").type("http://127.0.0.1/")
    olga.find("Save").click()
    await until(lambda: bool(told_at(olga, "Address")), "the address to be refused")
    assert len(await parts.stores.webhooks.list(scene.account_id, limit=10)) == 1


async def test_a_test_is_sent_and_waits_to_be_told(user_of: UserOf, scene: Scene) -> None:
    olga = await user_of("olga")
    await olga.open(f"/webhooks/{scene.webhook}")
    await olga.should_see("https://crm.example.com/dialerd")
    olga.find("Send a test").click()
    await olga.should_see("A test is on its way")
    (table,) = olga.find(kind=ui.table).elements
    await until(
        lambda: [(row["type"], row["state"]) for row in table.rows] == [("Test", "Waiting")], "the test to be listed"
    )
