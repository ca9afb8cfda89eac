"""The Dockerfile as its stages, for the tests that compare images with services and workloads."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dockerfile_parse import DockerfileParser  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[3]

Step = tuple[str, str]
"""An instruction and what it is given."""


@dataclass(frozen=True)
class Stage:
    """One stage: its name, what it begins from, and its own steps."""

    name: str
    base: str
    steps: tuple[Step, ...]

    def values(self, instruction: str) -> list[str]:
        """What this stage gives to each `instruction` of its own."""
        return [value for name, value in self.steps if name == instruction]


@dataclass(frozen=True)
class Dockerfile:
    """All stages, in order, and the images that the first ones begin from."""

    arguments: dict[str, str]
    """What stands before the first stage: default by name."""
    stages: dict[str, Stage]

    @classmethod
    def parse(cls, text: str) -> Dockerfile:
        """Read a Dockerfile."""
        structure = DockerfileParser(fileobj=io.BytesIO(text.encode())).structure
        arguments: dict[str, str] = {}
        stages: dict[str, Stage] = {}
        last = ""
        for each in structure:
            instruction, value = each["instruction"], each["value"]
            if instruction == "FROM":
                base, _, last = value.partition(" AS ")
                stages[last] = Stage(last, base, ())
            elif last and instruction != "COMMENT":
                stage = stages[last]
                stages[last] = Stage(last, stage.base, (*stage.steps, (instruction, value)))
            elif instruction == "ARG":
                name, _, arguments[name] = value.partition("=")
        return cls(arguments, stages)

    def chain(self, name: str) -> list[Stage]:
        """The stage and those that it begins from, the first one first; empty where there is no such stage."""
        stage = self.stages.get(name)
        return [*self.chain(stage.base), stage] if stage else []

    def steps(self, name: str) -> Iterator[Step]:
        """Everything that happens on the way to the stage."""
        for stage in self.chain(name):
            yield from stage.steps

    def last(self, name: str, instruction: str) -> str | None:
        """What is in force at the end of the stage, e.g. its `USER`."""
        return next(reversed([value for each, value in self.steps(name) if each == instruction]), None)

    def command(self, name: str) -> list[str] | None:
        """The arguments that the image starts its program with; None: the workload says them."""
        value = self.last(name, "CMD")
        return None if value is None else [str(each) for each in json.loads(value)]

    def folders_copied_to_image(self, name: str) -> list[str]:
        """The folders that files are copied into, e.g. `/opt/beffroi/model`."""
        return [match[1] for value in self.stages[name].values("COPY") if (match := re.search(r" (/\S+)/$", value))]


def read() -> Dockerfile:
    """The one of this repository."""
    return Dockerfile.parse((ROOT / "Dockerfile").read_text())
