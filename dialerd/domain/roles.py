"""Who may do what: the roles of the people at the portal and of the programs at the API, and what each is permitted."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    OWNER = "owner"  # of the account: all, users of every role included
    ADMIN = "admin"  # all but the owners
    SUPERVISOR = "supervisor"  # steers campaigns and listens to recordings; builds none
    AGENT = "agent"  # takes calls: the own card, the own results
    READ_ONLY = "read_only"  # looks


class Permission(StrEnum):
    """What a route asks for. A token may be limited to some of its role's."""

    VIEW = "view"  # campaigns, their status and figures, queues, agents
    VIEW_LEADS = "view_leads"  # leads, attempts, activity: names and numbers
    EXPORT = "export"  # whole lists of them as a file
    STEER = "steer"  # start, pause, resume, stop; pace and lines of a campaign
    BUILD = "build"  # create, edit, clone, cancel and delete campaigns; menus, media, caller IDs, where leads come from
    MANAGE_LEADS = "manage_leads"  # upload, sync, reset, delete
    MANAGE_DNC = "manage_dnc"
    CHECK_DNC = "check_dnc"  # whether one number may be called
    LISTEN = "listen"  # recordings
    DELETE_RECORDINGS = "delete_recordings"
    WORK = "work"  # an agent's own: card, acceptance, disposition, callback
    MANAGE_ACCOUNT = "manage_account"  # what holds for all campaigns
    MANAGE_USERS = "manage_users"
    MANAGE_TOKENS = "manage_tokens"
    MANAGE_WEBHOOKS = "manage_webhooks"
    VIEW_AUDIT = "view_audit"
    OPERATE = "operate"  # drain nodes


_LOOK = frozenset({Permission.VIEW, Permission.VIEW_LEADS, Permission.CHECK_DNC})
_SUPERVISE = _LOOK | {Permission.EXPORT, Permission.STEER, Permission.LISTEN, Permission.WORK}
PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.ADMIN: frozenset(Permission),
    Role.SUPERVISOR: _SUPERVISE,
    Role.AGENT: frozenset({Permission.WORK, Permission.CHECK_DNC}),
    Role.READ_ONLY: frozenset({Permission.VIEW}),
}
"""The second specification's table: Owner and Admin build, start and manage, other users look and are bridge targets; widened by the
supervisor, who steers what others have built. Who only looks sees no name and no number of a lead."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who sends a request: somebody who has signed in, or a program with a token."""

    account_id: int
    account: str
    actor: str
    """For the audit log: `user anna`, `token nightly`."""
    role: Role
    permissions: frozenset[Permission]
    agent: str = ""
    """Whose card and calls are the caller's own: the phone as the queue names it. Empty: nobody's."""
    user_id: int | None = None


def permissions_of(role: Role, scopes: Collection[str] | None) -> frozenset[Permission]:
    """Of a token: what its role may do, as far as its scopes name it. None: all of that."""
    allowed = PERMISSIONS[role]
    return allowed if scopes is None else frozenset(each for each in allowed if each in scopes)


def may_manage(manager: Caller, role: Role) -> bool:
    """Whether the caller may make users of the role, change them or take them away: an admin makes no owners, and nobody makes, or
    takes over, who may do more than the caller."""
    return Permission.MANAGE_USERS in manager.permissions and _reaches(manager, role, PERMISSIONS[role])


def may_grant(grantor: Caller, role: Role, scopes: Collection[str] | None) -> bool:
    """Whether the caller may make a token that may do so much: no more than the caller may."""
    return Permission.MANAGE_TOKENS in grantor.permissions and _reaches(grantor, role, permissions_of(role, scopes))


def _reaches(caller: Caller, role: Role, permissions: frozenset[Permission]) -> bool:
    return permissions <= caller.permissions and (caller.role is Role.OWNER or role is not Role.OWNER)
