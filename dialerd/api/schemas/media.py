"""Sounds that people bring along, as JSON."""

from datetime import datetime

from pydantic import BaseModel, Field

from dialerd.store.media import Medium


class MediumOut(BaseModel):
    name: str = Field(description="What it is called here.", examples=["welcome"])
    sound: str = Field(
        description="What greetings, announcements and voice menus call it.", examples=["dialerd-media/1/welcome"]
    )
    duration_s: float = Field(description="Its length in seconds.", examples=[4.2])
    bytes: int = Field(description="Size of the WAV file.", examples=[67244])
    sha256: str = Field(description="Checksum of the WAV file, in hex.")
    notes: list[str] = Field(
        description="What you should know of it.",
        examples=[["begins with 2.3 s of silence, in which people hang up: cut it off"]],
    )
    uploaded_by: str = Field(description="Who brought it along.", examples=["user anna"])
    uploaded_at: datetime = Field(description="When.")
    present: bool | None = Field(description="Whether Asterisk has it; null: nobody has looked since.")


def medium_out(medium: Medium) -> MediumOut:
    return MediumOut(
        name=medium.name,
        sound=medium.sound,
        duration_s=medium.duration_s,
        bytes=medium.bytes,
        sha256=medium.sha256,
        notes=list(medium.notes),
        uploaded_by=medium.uploaded_by,
        uploaded_at=medium.uploaded_at,
        present=medium.present,
    )
