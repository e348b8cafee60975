"""What all bodies and lists of the API have in common."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dialerd.errors import InvalidRequest

T = TypeVar("T")

HIGHEST_ID = 2**63 - 1
MOST_ON_A_PAGE = 500

Id = Annotated[int, Path(ge=1, le=HIGHEST_ID, description="Id, as the list says it.", examples=[7])]
After = Annotated[int, Query(ge=0, le=HIGHEST_ID, description="What the page before said as `next`.")]
WITHOUT_NUL = r"^[^\x00]*$"
AfterName = Annotated[
    str, Query(max_length=200, pattern=WITHOUT_NUL, description="What the page before said as `next`.")
]
Limit = Annotated[int, Query(ge=1, le=MOST_ON_A_PAGE, description="Most items on the page.")]
IfMatch = Annotated[
    str | None,
    Header(
        max_length=1000,
        description="The ETag of what you have read: where it has changed since, you are told so (412), and nothing is changed.",
    ),
]


class Body(BaseModel):
    """What is sent: a field that is not known is refused, and so is the character NUL, which the database cannot store."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nul(cls, sent: Any) -> Any:
        if places := [place for place, text in texts_in(sent) if "\0" in text]:
            raise ValueError(f"the character NUL cannot be stored, leave it out: {', '.join(places)}")
        return sent


class Page(BaseModel, Generic[T]):
    items: list[T]
    next: str | None = Field(description="Ask for the next page with `after` = this; null: there is none.")


def page_of(found: Sequence[T], limit: int, key: Callable[[T], object]) -> Page[T]:
    """Of what was asked for with one more than the page holds, which tells whether there is a next one."""
    items = list(found[:limit])
    return Page(items=items, next=str(key(items[-1])) if len(found) > limit else None)


def texts_in(sent: Any, place: str = "") -> Iterable[tuple[str, str]]:
    """Every text in JSON, names of fields included, and where it is."""
    if isinstance(sent, str):
        yield place or "the text", sent
    elif isinstance(sent, Mapping):
        for name, inner in sent.items():
            yield place or "a name", str(name)
            yield from texts_in(inner, f"{place}.{name}" if place else str(name))
    elif isinstance(sent, list | tuple):
        for index, inner in enumerate(sent):
            yield from texts_in(inner, f"{place}.{index}" if place else str(index))


def versions_of(if_match: str | None) -> frozenset[str] | None:
    """The versions that an If-Match header names. None: any will do."""
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(tag.strip().removeprefix("W/").strip('"') for tag in if_match.split(","))


def changes_in(body: BaseModel) -> dict[str, Any]:
    """The fields that were sent. Raises InvalidRequest where there is none."""
    if not body.model_fields_set:
        raise InvalidRequest(["nothing to change: name at least one field"])
    return {name: getattr(body, name) for name in sorted(body.model_fields_set)}
