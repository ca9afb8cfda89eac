"""What travels about the installation."""

from __future__ import annotations

from pydantic import BaseModel


class Meta(BaseModel):
    """What a console needs to know before anybody signs in."""

    name: str
    version: str
    commune: str
    languages: list[str]
