"""Users, their sessions, tokens and the audit log, as JSON."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from dialerd.api.schemas.body import Body
from dialerd.domain.passwords import LONGEST, SHORTEST
from dialerd.domain.roles import Permission, Role

Login = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$", examples=["anna"])]
"""What one signs in with, whatever its case: letters, digits and `._@+-`."""
Password = Annotated[str, Field(max_length=LONGEST, examples=["seven purple bicycles"], repr=False)]
NewPassword = Annotated[Password, Field(min_length=SHORTEST)]
Phone = Annotated[str, Field(pattern=r"^([A-Za-z0-9]{2,12}/[A-Za-z0-9_.+-]{1,60})?$", examples=["PJSIP/1001"])]
Name = Annotated[str, Field(max_length=200, examples=["Anna Example"])]
TokenName = Annotated[
    str, Field(pattern=r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]{0,98}[^\x00-\x20\x7f])?$", examples=["nightly"])
]


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class UserIn(Body):
    login: Login
    """What one signs in with, whatever its case. No two users have the same, of whatever account."""
    password: NewPassword
    """At least 12 characters, such as a few words; not the login, and not one that is guessed first."""
    role: Role
    """What the user may do. Only an owner makes owners."""
    name: Name = ""
    """As people call the user."""
    agent: Phone = ""
    """The phone whose cards and calls are the user's own, as the queue names it. Empty: none."""


class UserChanges(Body):
    """Only what is sent is changed."""

    name: Name = ""
    """As people call the user."""
    role: Role = Role.READ_ONLY
    """Another one ends the sessions of the user."""
    agent: Phone = ""
    """The phone whose cards and calls are the user's own. Empty: none."""
    disabled: Annotated[bool, Field(strict=True)] = False
    """Whether the user may not sign in. It ends the sessions of the user; tokens that the user has made stay."""
    unlock: Annotated[bool, Field(strict=True)] = False
    """true: the wrong passwords of the past are forgotten."""


class UserOut(_Out):
    id: int
    """Id of the user."""
    login: Login
    """What one signs in with."""
    name: Name
    """As people call the user."""
    role: Role
    """What the user may do."""
    agent: Phone
    """The phone whose cards and calls are the user's own. Empty: none."""
    disabled: bool
    """Whether the user may not sign in."""
    locked_until: datetime | None
    """Until when no password is looked at, after too many wrong ones. null, or a time that has gone: they are."""
    created_at: datetime
    """When the user was made."""


class PasswordReset(Body):
    password: NewPassword
    """The new one. All sessions of the user end."""


class SessionOut(_Out):
    id: int
    """Id of the session."""
    created_at: datetime
    """When somebody signed in."""
    expires_at: datetime
    """When it ends by itself."""
    address: str = Field(examples=["192.0.2.7"])
    """From where."""
    current: bool
    """Whether it is the one that asks."""


class TokenIn(Body):
    name: TokenName
    """What the audit log calls it. No two tokens in force have the same."""
    role: Role
    """What it may do at most. Nobody gives more than he may himself."""
    scopes: Annotated[list[Permission], Field(max_length=len(Permission), examples=[["view"]])] | None = None
    """Of the permissions of the role, those that it has. null: all."""
    agent: Phone = ""
    """The phone whose cards and calls are the token's own. Empty: none."""
    expires_at: AwareDatetime | None = None
    """When it ends by itself. null: never."""


class TokenOut(_Out):
    id: int
    """Id of the token."""
    name: str
    """What the audit log calls it."""
    role: Role
    """What it may do at most."""
    scopes: list[str] | None
    """Of the permissions of the role, those that it has. null: all."""
    agent: Phone
    """The phone whose cards and calls are the token's own. Empty: none."""
    created_by: str = Field(examples=["user anna"])
    """Who has made it."""
    created_at: datetime
    """When it was made."""
    expires_at: datetime | None
    """When it ends by itself. null: never."""
    last_used_at: datetime | None
    """When it was last used, to the minute. null: never."""
    revoked_at: datetime | None
    """Since when it is not in force any more. null: it was not revoked."""


class NewToken(TokenOut):
    secret: str = Field(examples=["dlr_p8Zk2S5cXe0bq9yYv3m1Jd7tLw6uRa4hNf0gKi8oEsQ"], repr=False)
    """What the program sends as `Authorization: Bearer ...`. It is shown here, and never again."""


class AuditEntryOut(_Out):
    id: int
    """Id of the entry."""
    at: datetime
    """When."""
    actor: str = Field(examples=["user anna"])
    """Who: `user anna`, `token nightly`, `command root`, or `nobody` who failed to sign in."""
    action: str = Field(examples=["PATCH /api/v1/users/{user_id}"])
    """Method and route, or the command."""
    target: Mapping[str, Any] = Field(examples=[{"user_id": "7"}])
    """What it was done to: the values in the route."""
    details: Mapping[str, Any] = Field(examples=[{"changed": ["role"]}])
    """What is to be known beside; never a secret."""
    status: int = Field(examples=[200])
    """As HTTP has it: from 400 on it was refused, and nothing was changed. Of a command 0 if it was done, else 1."""
    address: str = Field(examples=["192.0.2.7"])
    """From where. Empty: from the server itself."""
