"""Options that several commands share, and how their values are read."""

import re
from pathlib import Path
from typing import Annotated

import typer

from dialerd.domain.caller_id import CallerId

LONGEST_NAME = 60

CampaignRef = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Name or id of the campaign.", show_default=False)]
CsvFile = Annotated[Path, typer.Argument(metavar="FILE", help="The file to read.", show_default=False)]
Encoding = Annotated[str, typer.Option(help="Encoding of the file, such as utf-8 or cp1252.")]
Region = Annotated[
    str | None,
    typer.Option(help="Country (ISO 3166, like GB) of numbers written without one. Default: the account's."),
]

HIGHEST_ID = 2**63 - 1
_CALLER_NUMBER = re.compile(r"\+?[0-9]{3,15}", re.ASCII)


def caller_id(text: str) -> CallerId:
    """NUMBER or NUMBER=NAME. Raises BadParameter: a caller ID goes into the call as it is."""
    number, _, name = text.partition("=")
    number = re.sub(r"[ ().-]", "", number)
    if not _CALLER_NUMBER.fullmatch(number):
        raise typer.BadParameter(f"{number!r} is not a number: 3 to 15 digits", param_hint="--caller-id")
    if not name.isprintable() or len(name) > LONGEST_NAME or set(name) & set('"<>,\\'):
        raise typer.BadParameter(
            f'the name may have {LONGEST_NAME} characters, and none of " < > , \\', param_hint="--caller-id"
        )
    return CallerId(number=number, name=name.strip())
