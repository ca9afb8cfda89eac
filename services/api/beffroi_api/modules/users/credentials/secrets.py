"""Secrets as people type them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, SecretStr


def _is_text(secret: SecretStr) -> SecretStr:
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError:  # half of a character, which JSON can say; pydantic looks into texts alone
        raise ValueError("it must be text: type it anew") from None
    return secret


Secret = Annotated[SecretStr, AfterValidator(_is_text)]
"""A text that is shown nowhere. Whatever JSON can say but is no text is refused: nothing can hash it."""
