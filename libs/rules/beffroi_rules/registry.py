"""Finds the rules: every module of `beffroi_rules.rules`. Nobody else knows one by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from pydantic import TypeAdapter, ValidationError

from beffroi_common.contracts import Term

from . import rules
from .rule import AnyRule, Rule, ZoneKind
from .words import LANGUAGES

_term: TypeAdapter[str] = TypeAdapter(Term)


class RegistryError(Exception):
    """A rule cannot be offered as it is written: a fault of its module, to be mended there."""


@dataclass(frozen=True)
class Registry:
    """The rules that this release knows, by name."""

    rules: Mapping[str, AnyRule]

    @classmethod
    def of(cls, found: Iterable[AnyRule]) -> Registry:
        """Put rules together.

        Raises:
            RegistryError: two have one name, words are missing, or two disagree about a kind of zone.
        """
        known: dict[str, AnyRule] = {}
        kinds: dict[str, ZoneKind] = {}
        for rule in found:
            if rule.name in known:
                raise RegistryError(f"two rules have the name {rule.name}")
            known[rule.name] = rule
            for fault in _faults(rule):
                raise RegistryError(f"rule {rule.name}: {fault}")
            for kind in (role.kind for role in rule.roles):
                if kinds.setdefault(kind.name, kind) != kind:
                    raise RegistryError(f"rule {rule.name}: another rule says something else of zones `{kind.name}`")
        return cls(dict(sorted(known.items())))

    def find(self, name: str) -> AnyRule | None:
        """The rule of this name; None: this release does not know it."""
        return self.rules.get(name)


def load() -> Registry:
    """Import every module of `beffroi_rules.rules`, which may lie in several folders on Python's path.

    Raises:
        RegistryError: a module has no rule, or see `Registry.of`.
    """
    return Registry.of(_found())


def _found() -> Iterator[AnyRule]:
    for module in iter_modules(rules.__path__):
        rule = getattr(import_module(f"{rules.__name__}.{module.name}"), "RULE", None)
        if not isinstance(rule, Rule):
            raise RegistryError(f"the module {module.name} has no RULE")
        yield rule


def _faults(rule: AnyRule) -> Iterator[str]:
    terms = [rule.name, rule.analytic, *(role.name for role in rule.roles), *(role.kind.name for role in rule.roles)]
    for term in terms:
        if not _is_term(term):
            yield f"{term!r} is no term: lower-case letters, digits and underscores, at most 40"
    if not rule.roles:
        yield "it has no role of geometry, so its alerts could name no zone"
    if len({role.name for role in rule.roles}) != len(rule.roles):
        yield "two roles have one name"
    yield from _begins(rule)
    for language in LANGUAGES:
        yield from (f"no words in {language} for {what}" for what in _speechless(rule, language))


def _is_term(text: str) -> bool:
    try:
        _term.validate_python(text)
    except ValidationError:
        return False
    return True


def _begins(rule: AnyRule) -> Iterator[str]:
    for what, model in (("parameters", rule.parameters), ("state", rule.state)):
        try:
            model()
        except ValidationError:
            yield f"its {what} need a default for every field"


def _speechless(rule: AnyRule, language: str) -> Iterator[str]:
    words = rule.words.get(language)
    if words is None or not words.name:
        yield "its name"
        return
    for path, options in fields(rule.parameters.model_json_schema()).items():
        said = words.parameters.get(path)
        if said is None or not said.label:
            yield f"parameter {path}"
        else:
            yield from (f"{option} of parameter {path}" for option in options if not said.options.get(option))
    for role in rule.roles:
        if not role.words.get(language):
            yield f"role {role.name}"
        if not role.kind.words.get(language):
            yield f"zones of kind {role.kind.name}"


def fields(schema: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """All fields of a JSON Schema by path, e.g. `schedule.start`, each with what can be chosen if it is a choice."""
    return dict(_fields(schema, schema.get("$defs", {}), ""))


def _fields(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, field in schema.get("properties", {}).items():
        path = prefix + name
        alternatives = [
            definitions.get(str(each.get("$ref", "")).rpartition("/")[2], each)
            for each in (field, *field.get("anyOf", ()))
        ]
        yield path, tuple(str(option) for each in alternatives for option in each.get("enum", ()))
        for each in alternatives:
            yield from _fields(each, definitions, f"{path}.")
