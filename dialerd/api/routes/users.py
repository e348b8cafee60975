"""The people of the account: who may sign in, and what each may do."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Request, Response

from dialerd.api.auth import permitted
from dialerd.api.parts import TheStores, note_for_audit
from dialerd.api.routing import router, unkept
from dialerd.api.schemas.body import After, Id, Limit, Page, changes_in, page_of
from dialerd.api.schemas.users import PasswordReset, UserChanges, UserIn, UserOut
from dialerd.domain.roles import Caller, Permission, Role, may_manage
from dialerd.errors import NotPermitted
from dialerd.store.stores import Stores
from dialerd.store.users import User

users = router("users", prefix="/users")

Manager = Annotated[Caller, permitted(Permission.MANAGE_USERS)]


@users.get("", summary="Users")
async def list_users(caller: Manager, stores: TheStores, limit: Limit = 100, after: After = 0) -> Page[UserOut]:
    """Also those who are disabled."""
    found = await stores.users.list(caller.account_id, after=after, most=limit + 1)
    return page_of([UserOut.model_validate(each) for each in found], limit, lambda each: each.id)


@users.post("", summary="Create a user", status_code=HTTPStatus.CREATED)
@unkept
async def create_user(
    given: UserIn, caller: Manager, stores: TheStores, request: Request, response: Response
) -> UserOut:
    """Whoever may do less than the new user is refused; an admin makes no owners."""
    note_for_audit(request, {"login": given.login, "role": given.role})
    _refuse_above(caller, given.role)
    user = await stores.users.create(
        caller.account_id, given.login, given.password, role=given.role, name=given.name, agent=given.agent
    )
    response.headers["Location"] = f"/api/v1/users/{user.id}"
    return UserOut.model_validate(user)


@users.get("/{user_id}", summary="A user")
async def get_user(user_id: Id, caller: Manager, stores: TheStores) -> UserOut:
    """Of the caller's account."""
    return UserOut.model_validate(await stores.users.get(user_id, caller.account_id))


@users.patch("/{user_id}", summary="Change, disable or unlock a user")
async def edit_user(user_id: Id, changes: UserChanges, caller: Manager, stores: TheStores, request: Request) -> UserOut:
    """The last owner who is not disabled stays one. Whoever gets another role, or is disabled, has to sign in anew."""
    sent = changes_in(changes)
    unlock = sent.pop("unlock", False)
    await _user_for(stores, caller, user_id)
    _refuse_above(caller, sent.get("role"))
    before, after = await stores.users.change(user_id, caller.account_id, sent, unlock=unlock)
    note_for_audit(request, {"login": after.login, "changed": _changed(before, after), "unlocked": unlock})
    return UserOut.model_validate(after)


@users.put("/{user_id}/password", summary="Reset the password of a user", status_code=HTTPStatus.NO_CONTENT)
async def reset_password(
    user_id: Id, given: PasswordReset, caller: Manager, stores: TheStores, request: Request
) -> None:
    """All sessions of the user end, and wrong passwords of the past are forgotten."""
    user = await _user_for(stores, caller, user_id)
    note_for_audit(request, {"login": user.login})
    await stores.users.reset_password(user_id, caller.account_id, given.password)


@users.delete("/{user_id}", summary="Disable a user", status_code=HTTPStatus.NO_CONTENT)
async def disable_user(user_id: Id, caller: Manager, stores: TheStores, request: Request) -> None:
    """The user stays, disabled, for the audit log tells of what the user has done."""
    user = await _user_for(stores, caller, user_id)
    note_for_audit(request, {"login": user.login})
    await stores.users.change(user_id, caller.account_id, {"disabled": True})


async def _user_for(stores: Stores, caller: Caller, user_id: int) -> User:
    """Whom the caller may change. Raises NotFound, NotPermitted."""
    user = await stores.users.get(user_id, caller.account_id)
    _refuse_above(caller, user.role)
    return user


def _refuse_above(caller: Caller, role: Role | None) -> None:
    if role is not None and not may_manage(caller, role):
        raise NotPermitted(f"{caller.actor} may not make, change or take away users who are {role}")


def _changed(before: User, after: User) -> dict[str, object]:
    """What it was, and what it is."""
    fields = ("name", "role", "agent", "disabled")
    return {
        field: [getattr(before, field), getattr(after, field)]
        for field in fields
        if getattr(before, field) != getattr(after, field)
    }
