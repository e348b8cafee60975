"""One's own password and sessions."""

from tests.portal.browser import settled
from tests.portal.conftest import PageOf, UserOf
from tests.portal.scene import PASSWORD


async def test_who_has_signed_in_sees_the_own_sessions(user_of: UserOf) -> None:
    anna = await user_of("anna")
    await anna.open("/account")
    await anna.should_see("My account")
    await anna.should_see("Signed in as user anna, agent.")
    await anna.should_not_see("Webhooks")


async def test_a_short_password_is_refused_beside_its_field(user_of: UserOf) -> None:
    olga = await user_of("olga")
    await olga.open("/account")
    olga.find("Present password").type(PASSWORD)
    olga.find("New password").type("short")
    olga.find("Change the password").click()
    await olga.should_see("the password has 5 characters")


async def test_in_a_browser_the_password_is_changed_and_the_new_one_signs_in(page_of: PageOf, address: str) -> None:
    page = await page_of("sue")
    await page.goto(f"{address}/account")
    await settled(page)
    await page.get_by_label("Present password").fill(PASSWORD)
    await page.get_by_label("New password").fill("another sentence for tests")
    await page.get_by_role("button", name="Change the password").click()
    await page.get_by_text("The password is changed.").wait_for()
