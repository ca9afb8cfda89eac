"""Everything the api refuses, and why. Rendered in one place (`problems`) as RFC 9457 problem+json.

ApiError
├── NotSignedIn 401, SignInFailed 401, SecondFactorNeeded 401, Throttled 429
├── NotAllowed 403, ForeignOrigin 403, PasswordChangeNeeded 403, SecondFactorRequired 403
├── WrongPassword 403, SecondFactorWrong 403
├── NotFound 404, NoPicture 404
├── AlreadyAcknowledged 409, ChangedInBetween 412
├── Destroyed 410
├── TooLarge 413, RangeNotSatisfiable 416
├── Invalid 422
├── GuessablePassword 422
└── Busy 503, StoreAway 503, UnknownStore 503
"""

# ruff: noqa: N818 - they are answers, named for what they say
from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from beffroi_common.store import StoreDenied, StoreUnavailable


class ApiError(Exception):
    """Root of the tree. `detail` says what is the matter and what to do, for a person."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong"
    french: ClassVar[str] = "Une erreur inattendue s’est produite"
    """The title in French."""

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra
        """Further members of the problem, for programs."""


class NotSignedIn(ApiError):
    """No session, or it ended."""

    status, code, title = 401, "not_signed_in", "Sign in first"
    french = "Connectez-vous d’abord"


class SignInFailed(ApiError):
    """User name or password is wrong; never says which."""

    status, code, title = 401, "sign_in_failed", "Sign-in failed"
    french = "Connexion refusée"


class SecondFactorNeeded(ApiError):
    """Name and password are right, and the account has a second factor: the code of it is missing."""

    status, code, title = 401, "second_factor_needed", "A code is needed"
    french = "Un code est demandé"


class PasswordChangeNeeded(ApiError):
    """Somebody else chose the password of this account."""

    status, code, title = 403, "password_change_needed", "Choose a password of your own first"
    french = "Choisissez d’abord votre propre mot de passe"


class SecondFactorRequired(ApiError):
    """The role of this account must have a second factor, and it has none yet."""

    status, code, title = 403, "second_factor_required", "Set a second factor first"
    french = "Ajoutez d’abord un second facteur"


class WrongPassword(ApiError):
    """Somebody signed in gave another password than their own."""

    status, code, title = 403, "wrong_password", "Wrong password"
    french = "Mot de passe incorrect"


class SecondFactorWrong(ApiError):
    """A code is not right, or was used."""

    status, code, title = 403, "second_factor_wrong", "Wrong code"
    french = "Code incorrect"


class GuessablePassword(ApiError):
    """A password that is known, expected or too short."""

    status, code, title = 422, "guessable_password", "Too easy to guess"
    french = "Trop facile à deviner"


class Throttled(ApiError):
    """Too many failed sign-ins."""

    status, code, title = 429, "throttled", "Too many attempts"
    french = "Trop d’essais"


class NotAllowed(ApiError):
    """The role does not allow this."""

    status, code, title = 403, "not_allowed", "Your role does not allow this"
    french = "Votre rôle ne le permet pas"


class ForeignOrigin(ApiError):
    """The request comes from another site, or does not say that it is meant."""

    status, code, title = 403, "foreign_origin", "The request does not come from this console"
    french = "La demande ne vient pas de cette console"


class NotFound(ApiError):
    """There is no such thing."""

    status, code, title = 404, "not_found", "Not found"
    french = "Introuvable"


def no_camera(camera: str) -> NotFound:
    """The answer for a camera that does not exist, and for one that whoever asks may not know of: they are the same."""
    return NotFound(f"There is no camera {camera}: see the list of cameras.")


class NoPicture(ApiError):
    """There is no picture of that moment."""

    status, code, title = 404, "no_picture", "No picture"
    french = "Aucune image"


class AlreadyAcknowledged(ApiError):
    """Somebody else was faster."""

    status, code, title = 409, "already_acknowledged", "Already acknowledged"
    french = "Déjà acquittée"


class ChangedInBetween(ApiError):
    """Somebody changed it since it was read."""

    status, code, title = 412, "changed_in_between", "Changed by somebody else in between"
    french = "Modifié entre-temps par quelqu’un d’autre"


class Destroyed(ApiError):
    """Past its retention: destroyed, or about to be."""

    status, code, title = 410, "destroyed", "No longer kept"
    french = "N’est plus conservé"


class TooLarge(ApiError):
    """The body is larger than any honest request."""

    status, code, title = 413, "too_large", "Too large"
    french = "Trop grand"


class RangeNotSatisfiable(ApiError):
    """The range asked for lies outside the object."""

    status, code, title = 416, "range_not_satisfiable", "Range not satisfiable"
    french = "Cette partie n’existe pas"


class Invalid(ApiError):
    """The request breaks its schema or a rule of the field."""

    status, code, title = 422, "invalid", "The request is not valid"
    french = "La demande n’est pas valable"


class Busy(ApiError):
    """As much of this is under way as the machine can bear."""

    status, code, title = 503, "busy", "Busy"
    french = "Trop occupé"


class StoreAway(ApiError):
    """The object store does not answer."""

    status, code, title = 503, "store_away", "The object store does not answer"
    french = "Le stockage d’objets ne répond pas"


def store_words(error: StoreUnavailable | StoreDenied) -> str:
    """What people may know of a store that is of no use now. Where it is, and what it answered, is for the log."""
    if isinstance(error, StoreDenied):
        return "The object store refuses the api's key: tell who runs the service; its log says more."
    return "The object store does not answer: try again in a moment; if it lasts, tell who runs the service."


class UnknownStore(ApiError):
    """A recording lies in a store that the settings do not name."""

    status, code, title = 503, "unknown_store", "The recording lies in a store that is not set up here"
    french = "L’enregistrement se trouve dans un stockage qui n’est pas configuré ici"
