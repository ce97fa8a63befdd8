# SPDX-License-Identifier: GPL-2.0-only
"""Fetching: PyPI through pip, Debian through a private apt, into the cache atomically."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from .apt import PrivateApt, run
from .inputs import (
    AXE_FILE,
    AXE_SHA256,
    AXE_VERSION,
    CYMONGOOSE_SHA256,
    CYMONGOOSE_VERSION,
    MONGOOSE_SHA256,
    UPLOT_FILE,
    UPLOT_SHA256,
    UPLOT_VERSION,
    DepsError,
    Input,
    VersionError,
)

T = TypeVar("T")

INDEX_MEGABYTES = 21  # a Debian suite's lists of packages and of sources
TRIES = int(os.environ.get("PYMONGOOSE_TRIES", "3"))
BACK_OFF_S = 2  # before the second try; doubled each time

MONGOOSE_SUITES = ("trixie-backports", "sid")
MONGOOSE_SDIST = f"cymongoose=={CYMONGOOSE_VERSION}"
UPLOT_WHEEL = "youplot==1.0.0"
AXE_WHEEL = "axe-playwright-python==0.1.8"

# Of which package of Debian's, and what of it: PrivateApt's methods.
PACKAGES = {
    "micropython": ("micropython", "source"),
    "mbedtls": ("mbedtls", "source"),
    "lwip": ("lwip", "source"),
    "pico-sdk": ("pico-sdk-source", "binary"),
    "tinyusb": ("tinyusb-source", "binary"),
}

# pip runs an sdist's build back end only to learn its name and version. Ours answers at once,
# so that neither a compiler nor the real back end is needed to unpack two C files.
BACK_END = """
import os

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    name, version = "{name}", "{version}"
    info = name + "-" + version + ".dist-info"
    os.mkdir(os.path.join(folder, info))
    with open(os.path.join(folder, info, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\\nName: " + name + "\\nVersion: " + version + "\\n")
    return info

def build_wheel(*arguments, **options):
    raise RuntimeError("only its metadata is wanted")
"""


def retried(action: Callable[[], T]) -> T:
    for attempt in range(TRIES - 1):
        try:
            return action()
        except DepsError:
            time.sleep(BACK_OFF_S * 2**attempt)
    return action()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unpack(archive: Path, target: Path, only: tuple[str, ...] = ()) -> None:
    """Unpack a tarball without its top folder; names in `only` are paths below it."""
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extraction_filter = tarfile.data_filter
        members = []
        for member in tar:
            member.name = member.name.partition("/")[2]
            unsafe = member.name.startswith("/") or ".." in member.name.split("/")
            if not member.name or unsafe or (only and member.name not in only):
                continue
            if member.islnk():
                member.linkname = member.linkname.partition("/")[2]
            if member.isfile() or member.isdir() or member.issym() or member.islnk():
                members.append(member)
        tar.extractall(target, members)


def unpack_all(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extraction_filter = tarfile.data_filter
        tar.extractall(target)


REFUSED = "refused"  # in the record of an input that moves: why what its suite has cannot serve


def recorded(cache: Path) -> dict[str, dict[str, str]]:
    """What came into the cache, by input."""
    try:
        known: dict[str, dict[str, str]] = json.loads((cache / "deps.json").read_text())
        return known
    except (OSError, ValueError):
        return {}


class Fetcher:
    """One run: its temporary folder, one private apt per suite, and the record of what came."""

    def __init__(self, cache: Path, say: Callable[[str], None]) -> None:
        self.cache = cache
        self.say = say
        self.apts: dict[str, PrivateApt | DepsError] = {}

    def __enter__(self) -> Fetcher:
        # A run that was killed leaves its folder; we hold the lock, so none is in use.
        for stale in self.cache.glob("tmp-*"):
            shutil.rmtree(stale, ignore_errors=True)
        self.work = Path(tempfile.mkdtemp(prefix="tmp-", dir=self.cache))
        return self

    def __exit__(self, *exc: object) -> None:
        shutil.rmtree(self.work, ignore_errors=True)

    def bring(self, items: list[Input]) -> dict[str, Exception]:
        """Fetches them into the cache; returns the reason by name for each that failed."""
        failed: dict[str, Exception] = {}
        for item in items:
            fetch: Callable[[Input, Path], tuple[Path, str]] = getattr(
                self, "fetch_" + item.name.replace("-", "_")
            )
            new = self.work / item.folder
            try:
                new.mkdir()
                archive, origin = fetch(item, new)
                version = item.check_cached(new)
                folder = f"{item.folder}-{version}" if item.moving else item.folder
                target = self.cache / folder
                if target.exists():
                    target.rename(self.work / f"old-{folder}")
                new.rename(target)
                if item.moving:
                    link = self.work / f"link-{item.folder}"
                    link.symlink_to(folder)
                    link.replace(self.cache / item.folder)
                self.record(item, version, origin, archive)
                self.say(f"{item.title} {version} from {origin}")
            except (DepsError, OSError, tarfile.TarError) as err:
                failed[item.name] = err
                if item.moving and isinstance(err, VersionError):
                    self.write(
                        item, recorded(self.cache).get(item.folder, {}) | {REFUSED: str(err)}
                    )
        return failed

    def record(self, item: Input, version: str, origin: str, archive: Path) -> None:
        entry = {
            "version": version,
            "origin": origin,
            "archive": archive.name,
            "sha256": sha256(archive),
        }
        self.write(item, entry)

    def write(self, item: Input, entry: dict[str, str]) -> None:
        known = recorded(self.cache)
        known[item.folder if item.moving else item.name] = entry
        new = self.work / "deps.json"
        new.write_text(json.dumps(known, indent=2) + "\n")
        new.replace(self.cache / "deps.json")

    def is_current(self, item: Input) -> bool:
        """Is what lies in the cache what the suite would give now?"""
        package, kind = PACKAGES[item.name]
        offered = retried(partial(self.apt(item.suites[0]).offered, package, kind))
        return recorded(self.cache).get(item.folder, {}).get("archive") == offered

    # apt

    def apt(self, suite: str) -> PrivateApt:
        """The private apt of a suite, its lists fetched once; its failure is remembered too."""
        if suite not in self.apts:
            try:
                private = PrivateApt(self.work, suite)
                self.say(f"lists of Debian {suite}, {INDEX_MEGABYTES} MB")
                retried(lambda: self.updated(private))
                self.apts[suite] = private
            except DepsError as err:
                self.apts[suite] = err
        known = self.apts[suite]
        if isinstance(known, DepsError):
            raise known
        return known

    @staticmethod
    def updated(private: PrivateApt) -> None:
        private.update()
        if not any((private.root / "lists").glob("*_Packages*")):
            raise DepsError(private.complaint or "apt-get update brought no lists")

    def from_debian(self, package: str, kind: str, suites: tuple[str, ...]) -> tuple[Path, str]:
        """A file of the first suite that gives it; the first suite's reason if none does."""
        reason: DepsError | None = None
        for suite in suites:
            try:
                get: Callable[[str], Path] = getattr(self.apt(suite), kind)
                file = retried(partial(get, package))
                kept = self.work / file.name
                file.rename(kept)
                return kept, f"Debian {suite}"
            except DepsError as err:
                reason = reason or err
                if isinstance(self.apts.get(suite), DepsError):
                    break  # no lists at all: the next suite would fail the same way
        raise reason or DepsError("no suite to look in")

    def source(self, item: Input, new: Path) -> tuple[Path, str]:
        archive, origin = self.from_debian(*PACKAGES[item.name], item.suites)
        unpack(archive, new)
        return archive, origin

    def patched_source(self, item: Input, new: Path) -> tuple[Path, str]:
        """The upstream source with Debian's patches: among them are its security fixes."""
        archive, origin = self.source(item, new)
        package, _ = PACKAGES[item.name]
        extra, _ = self.from_debian(package, "packaging", (origin.split()[-1],))
        tree = self.work / f"packaging-{package}"
        unpack_all(extra, tree)
        patches = tree / "debian" / "patches"
        lines = (patches / "series").read_text().splitlines()
        for name in (line.split("#")[0].strip() for line in lines):
            if name:
                command = ["patch", "-p1", "--quiet", "--batch", "-i", str(patches / name)]
                if (result := run(command, cwd=new)).returncode:
                    raise DepsError(f"{name}: {result.stdout.strip()}")
        return archive, origin

    def debian_tree(self, package: str, suites: tuple[str, ...]) -> tuple[Path, str, Path]:
        """What a binary package would install, unpacked: (archive, origin, folder)."""
        archive, origin = self.from_debian(package, "binary", suites)
        tree = self.work / f"deb-{package}-{origin.split()[-1]}"
        if (result := run(["dpkg-deb", "-x", str(archive), str(tree)])).returncode:
            raise DepsError(result.stderr.strip())
        return archive, origin, tree

    def binary(
        self, package: str, new: Path, files: tuple[str, ...], suites: tuple[str, ...]
    ) -> tuple[Path, str]:
        archive, origin, tree = self.debian_tree(package, suites)
        for file in files:
            shutil.copy2(tree / file, new)
        return archive, origin

    def binary_folder(self, item: Input, new: Path, folder: str) -> tuple[Path, str]:
        package, _ = PACKAGES[item.name]
        archive, origin, tree = self.debian_tree(package, item.suites)
        shutil.copytree(tree / folder, new, symlinks=True, dirs_exist_ok=True)
        for notice in (tree / "usr/share/doc" / package).glob("copyright"):
            shutil.copy2(notice, new)
        return archive, origin

    # pip

    def pip(self) -> list[str]:
        """A pip command: this Python's, else that of a throw-away environment."""
        if importlib.util.find_spec("pip"):
            return [sys.executable, "-m", "pip"]
        folder = self.work / "venv"
        result = run([sys.executable, "-m", "venv", str(folder)])
        if result.returncode:
            raise DepsError(
                "no pip, and no venv to get one (in Debian: apt-get install python3-venv)"
            )
        return [str(folder / "bin" / "python"), "-m", "pip"]

    def sdist(self, requirement: str) -> Path:
        name, _, version = requirement.partition("==")
        target, stub = self.work / "sdist", self.work / "back-end" / "scikit_build_core"
        target.mkdir(exist_ok=True)
        stub.mkdir(parents=True, exist_ok=True)
        (stub / "__init__.py").touch()
        (stub / "build.py").write_text(BACK_END.format(name=name, version=version))
        options = f"--quiet --disable-pip-version-check --retries 1 --no-deps --no-binary {name}"
        download = ["download", *options.split(), "--no-build-isolation", "--dest", str(target)]
        environment = ["env", f"PYTHONPATH={stub.parent}"]
        result = run([*environment, *self.pip(), *download, requirement])
        files = list(target.glob("*.tar.gz"))
        if result.returncode or len(files) != 1:
            errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
            raise DepsError("\n".join(errors[:2]) or result.stderr.strip()[-400:])
        return files[0]

    def wheel(self, requirement: str) -> Path:
        target = Path(tempfile.mkdtemp(dir=self.work))
        options = "--quiet --disable-pip-version-check --retries 1 --no-deps --only-binary :all:"
        download = ["download", *options.split(), "--dest", str(target), requirement]
        result = run([*self.pip(), *download])
        files = list(target.glob("*.whl"))
        if result.returncode or len(files) != 1:
            errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
            raise DepsError("\n".join(errors[:2]) or result.stderr.strip()[-400:])
        return files[0]

    # npm

    def npm(self, package: str) -> Path:
        target = Path(tempfile.mkdtemp(dir=self.work))
        options = ["--silent", "--pack-destination", str(target)]
        result = run(["npm", "pack", *options, package])
        files = list(target.glob("*.tgz"))
        if result.returncode or len(files) != 1:
            raise DepsError(f"npm could not bring {package}: {result.stderr.strip()[-400:]}")
        return files[0]

    def script(
        self, new: Path, file: str, hashes: tuple[str, ...], package: str, wheel: str
    ) -> tuple[Path, str]:
        """One file of a package of npm's, or of a wheel: a machine that has pip may lack npm."""
        tree = Path(tempfile.mkdtemp(dir=self.work))
        failed = ""
        archive = None
        if shutil.which("npm"):
            try:
                archive, origin = retried(lambda: self.npm(package)), f"npm {package}"
                unpack(archive, tree)
            except DepsError as err:
                self.say(f"npm did not give {package}; trying PyPI")
                failed = f"{err}\n"
        if not archive:
            try:
                archive, origin = retried(lambda: self.wheel(wheel)), f"PyPI {wheel}"
            except DepsError as err:
                raise DepsError(f"{failed}{err}") from None
            with zipfile.ZipFile(archive) as content:
                content.extractall(tree)
        # A wheel writes the name in a case of its own.
        found = [path for path in tree.rglob("*.js") if path.name.lower() == file.lower()]
        if not found or sha256(found[0]) not in hashes:
            has = f"has the sha256 {sha256(found[0])}" if found else "is not there"
            raise DepsError(f"{file} of {origin} {has}; expected sha256 {hashes[0]}")
        found[0].rename(new / file)
        for text in tree.rglob("LICENSE*"):
            text.rename(new / text.name)
        return archive, origin

    # the inputs

    def fetch_mongoose(self, item: Input, new: Path) -> tuple[Path, str]:
        try:
            archive = retried(lambda: self.sdist(MONGOOSE_SDIST))
            tree = self.work / "sdist-tree"
            names = tuple(f"thirdparty/mongoose/{name}" for name in (*MONGOOSE_SHA256, "LICENSE"))
            unpack(archive, tree, names)
            for name in names:
                shutil.move(str(tree / name), new)
            return archive, f"PyPI {MONGOOSE_SDIST}"
        except (DepsError, OSError) as err:
            self.say("PyPI did not give Mongoose; trying Debian's package")
            try:
                files = ("usr/src/mongoose.c", "usr/include/mongoose.h")
                return self.binary("mongoose-webserver-source", new, files, MONGOOSE_SUITES)
            except DepsError as other:
                raise DepsError(f"{err}\n{other}") from None

    def fetch_micropython(self, item: Input, new: Path) -> tuple[Path, str]:
        return self.source(item, new)

    def fetch_lwip(self, item: Input, new: Path) -> tuple[Path, str]:
        return self.patched_source(item, new)

    def fetch_pico_sdk(self, item: Input, new: Path) -> tuple[Path, str]:
        return self.binary_folder(item, new, "usr/src/pico-sdk")

    def fetch_tinyusb(self, item: Input, new: Path) -> tuple[Path, str]:
        return self.binary_folder(item, new, "usr/src/tinyusb")

    def fetch_mbedtls(self, item: Input, new: Path) -> tuple[Path, str]:
        return self.source(item, new)

    def fetch_uplot(self, item: Input, new: Path) -> tuple[Path, str]:
        package = f"uplot@{UPLOT_VERSION}"
        return self.script(new, UPLOT_FILE, UPLOT_SHA256, package, UPLOT_WHEEL)

    def fetch_cymongoose_tests(self, item: Input, new: Path) -> tuple[Path, str]:
        archive = retried(lambda: self.sdist(MONGOOSE_SDIST))
        if (found := sha256(archive)) != CYMONGOOSE_SHA256:
            raise DepsError(
                f"{archive.name} has the sha256 {found}; expected sha256 {CYMONGOOSE_SHA256}"
            )
        tree = self.work / "sdist-tests"
        unpack(archive, tree)
        for name in ("tests", "PKG-INFO", "LICENSE"):
            shutil.move(str(tree / name), new)
        return archive, f"PyPI {MONGOOSE_SDIST}"

    def fetch_axe(self, item: Input, new: Path) -> tuple[Path, str]:
        return self.script(new, AXE_FILE, AXE_SHA256, f"axe-core@{AXE_VERSION}", AXE_WHEEL)
