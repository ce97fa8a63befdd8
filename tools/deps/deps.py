#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Bring the third-party sources that the builds need; none of them is committed.

    deps.py [NAME ...]      bring these inputs (default: all), print what is where
    deps.py --path NAME     bring one input and print nothing but its folder
    deps.py --path micropython-rp2  the same of MicroPython with what its rp2 port needs
    deps.py --results       the folder, below this repository, of what is built with it

MICROPYTHON=next in the environment means what Debian's next release has of MicroPython, pico-sdk
and Mbed TLS. It is fetched once; --anew, as make deps has it, asks whether there are newer ones. Results
have a folder of their own, build/mp-VERSION. --moved names what of it is not of the version that is known to be good.

Inputs come from Debian and PyPI by package name, through this machine's own apt and pip
(so its mirrors, proxies and keys hold), into a cache outside the work tree. Nothing is
installed on the system. An input whose variable is set is taken from that folder instead,
and nothing is fetched for it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from sources import inputs
from sources.inputs import DepsError, Input

HELP_MISSING = """\
Either run this again with a network that reaches Debian's and PyPI's packages (through apt and
pip as this machine has them set up), or name folders that hold the sources, for example:
    make deps {example}"""


def say(text: str) -> None:
    print(f"deps: {text}", file=sys.stderr, flush=True)


def die(text: str) -> NoReturn:
    sys.exit(f"deps: error: {text}")


def cache_dir() -> Path:
    if own := os.environ.get("PYMONGOOSE_CACHE"):
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "pymongoose"


def override(item: Input) -> Path | None:
    """The folder that the user named for this input, or None."""
    value = os.environ.get(item.variable)
    return Path(value).expanduser().absolute() if value else None


def check_override(item: Input, folder: Path) -> str:
    try:
        version = item.check(folder)
    except DepsError as err:
        die(f"{item.variable}={folder}: {err}")
    if warning := item.warning(version):
        say(f"warning: {item.variable}={folder}: {warning}")
    return version


def cached(item: Input, cache: Path) -> str | None:
    """The version in the cache, or None if it must be fetched."""
    try:
        return item.check_cached(cache / item.folder)
    except DepsError:
        return None


def place(item: Input, cache: Path) -> Path:
    folder = cache / item.folder
    return folder.resolve() if item.moving else folder


def is_offline(missing: list[Input]) -> bool:
    """It is told at once: apt and pip find it out in a minute."""
    way = "apt" if any(item.needs_apt for item in missing) else "pip"
    probe = Path(__file__).with_name("network.sh")
    return subprocess.run([probe, way, "deps"], stdout=sys.stderr, check=False).returncode != 0


def has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def fetch(missing: list[Input], cache: Path, anew: bool = False) -> dict[str, Exception]:
    """Bring `missing` into the cache; returns the reason by name for each that failed.

    `anew`: what moves is fetched if the suite has another, too."""
    import fcntl

    from sources.fetch import INDEX_MEGABYTES, Fetcher

    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = open(cache / ".lock", "w")  # noqa: SIM115
    except OSError as err:
        die(f"cannot write the cache folder {cache}: {err.strerror}; set PYMONGOOSE_CACHE")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that fills {cache}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [item for item in missing if cached(item, cache) is None or anew]
        if not missing:
            return {}
        if is_offline(missing):
            return dict.fromkeys([item.name for item in missing], DepsError("no network"))
        if anew:
            say(f"asking Debian {missing[0].suites[0]} for its versions: {INDEX_MEGABYTES} MB")
            with Fetcher(cache, say) as fetcher:
                missing = [item for item in missing if not fetcher.is_current(item)]
                return fetcher.bring(missing)
        size = sum(item.megabytes for item in missing)
        if any(item.needs_apt for item in missing):
            size += INDEX_MEGABYTES
        names = ", ".join(item.title for item in missing)
        say(f"fetching {names}: about {size:.0f} MB, a minute or less, into {cache}")
        with Fetcher(cache, say) as fetcher:
            return fetcher.bring(missing)


def die_missing(failed: dict[str, Exception]) -> NoReturn:
    wanted = [item for item in inputs.ALL if item.name in failed]
    lines = ["these inputs are missing and could not be fetched:"]
    seen = ""
    for item in wanted:
        lines.append(f"  {item.title} ({item.package}; or set {item.variable})")
        reason = str(failed[item.name])
        lines += [f"      {line}" for line in reason.splitlines()] if reason != seen else []
        seen = reason
    example = " ".join(f"{item.variable}=/path" for item in wanted)
    die("\n".join(lines) + "\n" + HELP_MISSING.format(example=example))


def check_ways(items: list[Input], cache: Path) -> None:
    """Dies if pip must bring one of them and this Python has no way to a pip."""
    missing = [i for i in items if not (i.needs_apt or override(i) or cached(i, cache))]
    if missing and not (has("pip") or has("ensurepip")):
        titles = ", ".join(item.title for item in missing)
        die(
            f"{sys.executable} has no pip, which brings {titles}, and no ensurepip to get one: "
            "install its pip or venv module (in Debian: apt-get install python3-venv), "
            "or PYTHON= names another"
        )


def ensure(items: list[Input], cache: Path) -> dict[str, tuple[Path, str]]:
    """Bring what is missing of `items`; returns (folder, version) by name."""
    found: dict[str, tuple[Path, str]] = {}
    missing: list[Input] = []
    for item in items:
        if folder := override(item):
            found[item.name] = (folder, check_override(item, folder))
        elif version := cached(item, cache):
            found[item.name] = (place(item, cache), version)
        else:
            missing.append(item)
    if missing:
        failed = fetch(missing, cache)
        for item in missing:
            if item.name not in failed and (version := cached(item, cache)):
                found[item.name] = (place(item, cache), version)
            else:
                failed.setdefault(item.name, DepsError("the fetched files are not there"))
        if failed:
            die_missing(failed)
    return found


def refresh(items: list[Input], cache: Path) -> None:
    """What moves, as its suite has it now; without a network what is there still serves."""
    items = [item for item in items if item.moving and not override(item)]
    if not any(cached(item, cache) for item in items):
        return  # all of it is about to be fetched
    try:
        failed = fetch(items, cache, anew=True)
    except DepsError as err:
        failed = dict.fromkeys([item.name for item in items], err)
    for item in items:
        if item.name in failed:
            say(f"{item.title} stays as it was fetched before: {failed[item.name]}")


def moved(cache: Path) -> str:
    """What of Debian's next release is not what is known to be good, in words; or nothing."""
    from sources.fetch import REFUSED, recorded

    known, found = recorded(cache), []
    for item in inputs.NEXT:
        good = inputs.NEXT_GOOD.get(item.name)
        if good is None or override(item):
            continue
        entry = known.get(item.folder, {})
        version = entry.get("version", good)  # not fetched: whoever needs it says so
        if refused := entry.get(REFUSED):
            found.append(f"{item.title}: {refused}")
        elif version != good:
            found.append(f"{item.title} {version} ({good} is known to be good)")
    return "; ".join(found)


def results() -> str:
    """Where results of the chosen MicroPython lie, below this repository."""
    if not inputs.is_next():
        return "build"
    item = inputs.by_name("micropython")
    _, version = ensure([item], cache_dir())[item.name]
    return f"build/mp-{version}"


def copy_if_changed(source: str, target: str) -> str:
    old, new = Path(target), os.stat(source)
    if old.exists():
        stat = old.stat()
        if stat.st_size == new.st_size and stat.st_mtime_ns == new.st_mtime_ns:
            return target
    return str(shutil.copy2(source, target))


# Submodules of MicroPython's that Debian's tree leaves empty: lib/NAME.
UNIX_LIBRARIES: tuple[str, ...] = ("mbedtls",)
RP2_LIBRARIES = ("mbedtls", "lwip", "tinyusb")
RP2_TREE = "micropython-rp2"


def is_own(tree: Path, library: str) -> bool:
    """Does the tree bring this library itself, as a checkout with its submodules does?"""
    folder = tree / "lib" / library
    if folder.is_symlink() or not folder.is_dir() or not any(folder.iterdir()):
        return False
    try:
        inputs.by_name(library).check(folder)
    except DepsError as err:
        item = inputs.by_name("micropython")
        die(
            f"{item.variable}={tree}: of its lib/{library}: {err}\n"
            f"For the whole of it: git -C {tree} submodule update --init lib/{library}"
        )
    return True


def buildable_micropython(tree: Path, libraries: dict[str, Path], cache: Path) -> Path:
    """The MicroPython tree with the libraries in place.

    A checkout with its submodules is used where it is. Debian's tree has empty submodules: in
    the cache it gets links, and anyone else's tree is copied first, never changed.
    """
    if not libraries:
        return tree
    if not tree.is_relative_to(cache):
        import zlib

        copy = cache / f"micropython-copy-{zlib.crc32(str(tree).encode()):08x}"

        def skipped(folder: str, names: list[str]) -> list[str]:
            if Path(folder) == tree / "lib":
                return list(libraries)
            return [name for name in names if name == ".git" or name.startswith("build-")]

        say(f"copying {tree} to {copy}")
        shutil.copytree(
            tree,
            copy,
            symlinks=True,
            dirs_exist_ok=True,
            ignore=skipped,
            copy_function=copy_if_changed,
        )
        tree = copy
    for name, target in libraries.items():
        link = tree / "lib" / name
        if not (link.is_symlink() and Path(os.readlink(link)) == target):
            if link.is_dir() and not link.is_symlink():
                link.rmdir()
            new = link.with_name(f".{name}-{os.getpid()}")
            new.symlink_to(target)
            new.replace(link)
    return tree


def path_of(name: str, cache: Path) -> Path:
    if name not in ("micropython", RP2_TREE):
        return ensure([inputs.by_name(name)], cache)[name][0]
    wanted = RP2_LIBRARIES if name == RP2_TREE else UNIX_LIBRARIES
    item = inputs.by_name("micropython")
    tree = override(item)
    if tree:
        check_override(item, tree)
        if name == RP2_TREE and not (tree / "ports/rp2/CMakeLists.txt").is_file():
            die(f"{item.variable}={tree}: it lacks ports/rp2/CMakeLists.txt")
        wanted = tuple(library for library in wanted if not is_own(tree, library))
    found = ensure([item, *(inputs.by_name(library) for library in wanted)], cache)
    libraries = {library: found[library][0] for library in wanted}
    return buildable_micropython(found[item.name][0], libraries, cache)


def main() -> None:
    names = [item.name for item in inputs.ALL]
    parser = argparse.ArgumentParser(
        prog="deps.py",
        description=(__doc__ or "").split("\n\n")[0],
        epilog="Variables: PYMONGOOSE_CACHE (the cache folder), "
        + ", ".join(item.variable for item in inputs.ALL)
        + f" (folders to use instead), MICROPYTHON=next (see above), {inputs.ALLOW_HASH}=1 (accept a changed mongoose.c).",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=" | ".join(names))
    parser.add_argument(
        "--path", metavar="NAME", choices=[*names, RP2_TREE], help="print this input's folder"
    )
    parser.add_argument("--anew", action="store_true", help="ask whether Debian has newer ones")
    parser.add_argument(
        "--check", action="store_true", help="only say whether they can come by pip"
    )
    parser.add_argument("--results", action="store_true", help="print the folder of results")
    parser.add_argument("--moved", action="store_true", help="print what MICROPYTHON=next moved to")
    args = parser.parse_args()
    cache = cache_dir()
    if args.path:
        print(path_of(args.path, cache))
    elif args.results:
        print(results())
    elif args.moved:
        print(moved(cache))
    else:
        if unknown := set(args.names) - set(names):
            parser.error(
                f"unknown input {', '.join(sorted(unknown))} (there are {', '.join(names)})"
            )
        items = [item for item in inputs.chosen() if not args.names or item.name in args.names]
        if args.check:
            check_ways(items, cache)
            return
        if args.anew:
            refresh(items, cache)
        show(items, cache)


def show(items: list[Input], cache: Path) -> None:
    found = ensure(items, cache)
    for item in items:
        folder, version = found[item.name]
        print(f"  {item.title:<12} {version:<12} {folder}", flush=True)
    if inputs.is_next() and (words := moved(cache)):
        say(f"Debian's next release has moved on: {words}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except DepsError as err:
        die(str(err))
