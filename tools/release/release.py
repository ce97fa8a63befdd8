#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Gather a release: release.py [--out FOLDER] [--only sdist,wheels,...] [--python PATH ...]

What is committed at HEAD is taken; a tree with other changes is refused. Parts: sdist, wheels, stubs, docs, rig, examples,
firmware, sbom. MANIFEST.sha256 and SIZES.txt come last and list what is there. With the same commit,
sources and tools the bytes are the same: all times are those of the commit (SOURCE_DATE_EPOCH).

HOME_PAGE and DOCS_URL in the environment go into the metadata; a tag is only made by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import NoReturn

import wheel_file

ROOT = Path(__file__).resolve().parents[2]
DEPS = ROOT / "tools/deps/deps.py"
PARTS = ("sdist", "wheels", "stubs", "docs", "rig", "examples", "firmware", "sbom")
BOARDS = ("RPI_PICO", "RPI_PICO2")
VENV = ROOT / ".venv/bin"
OLDEST = (3, 10)
STUBS_README = """\
Type stubs of pymongoose for projects that only ever run it on MicroPython: beside
micropython-rp2-stubs and the like. `pymongoose-net` brings them itself.
"""
# What a wheel and a firmware contain: license, supplier, where it is used.
THIRD = {
    "mongoose": ("GPL-2.0-only", "Cesanta Software Limited", "all"),
    "mbedtls": ("GPL-2.0-or-later", "Arm and the Mbed TLS contributors", "all"),
    "micropython": ("MIT", "Damien P. George and contributors", "firmware"),
    "lwip": ("BSD-3-Clause", "Swedish Institute of Computer Science and contributors", "firmware"),
    "pico-sdk": ("BSD-3-Clause", "Raspberry Pi (Trading) Ltd.", "firmware"),
    "tinyusb": ("MIT", "Ha Thach and contributors", "firmware"),
}


def die(text: str) -> NoReturn:
    sys.exit(f"release: error: {text}")


def say(text: str) -> None:
    print(f"release: {text}", file=sys.stderr, flush=True)


def run(*command: object, cwd: Path = ROOT, **environment: str) -> str:
    words = [str(word) for word in command]
    # The build scripts of the firmware look at make's variables.
    env = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(words, cwd=cwd, env=env | environment, text=True, capture_output=True)
    if done.returncode:
        die(f"{' '.join(words)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout.strip()


def version() -> str:
    found = re.search(r'PMG_VERSION "([^"]+)"', (ROOT / "shared/pmg_version.h").read_text())
    return found[1] if found else die("shared/pmg_version.h has no PMG_VERSION")


def dependency(name: str) -> Path:
    return Path(run("/usr/bin/python3", DEPS, "--path", name))


# ---- The source distribution -------------------------------------------------------------------


def committed() -> dict[str, tuple[bytes, int]]:
    """What HEAD has, {path: (data, mode)}; the folders of services are left out."""
    found = {}
    for line in run("git", "ls-tree", "-r", "HEAD").splitlines():
        mode, kind, _ = line.split("\t")[0].split()
        path = line.split("\t", 1)[1]
        if kind == "blob" and not path.startswith((".ci/", ".github/", ".git", ".pre-commit")):
            data = subprocess.run(
                ["git", "show", f"HEAD:{path}"], cwd=ROOT, check=True, capture_output=True
            ).stdout
            found[path] = (data, 0o755 if mode == "100755" else 0o644)
    return found


def third_party() -> dict[str, tuple[bytes, int]]:
    """Mongoose, and of Mbed TLS what its library is compiled from, with their licenses."""
    mongoose, mbedtls = dependency("mongoose"), dependency("mbedtls")
    paths = {
        f"mongoose/{name}": mongoose / name for name in ("mongoose.c", "mongoose.h", "LICENSE")
    }
    paths["mbedtls/LICENSE"] = mbedtls / "LICENSE"
    for folder in ("include", "library"):
        for path in (mbedtls / folder).rglob("*.[ch]"):
            paths[f"mbedtls/{path.relative_to(mbedtls).as_posix()}"] = path
    # Each file says Apache-2.0 OR GPL-2.0-or-later; what does not, as Everest, has no place here.
    for name, path in paths.items():
        if name.startswith("mbedtls/") and path.suffix in (".c", ".h"):
            text = path.read_text(errors="replace")
            if "GPL-2.0-or-later" not in text:
                die(f"{path} is not offered under GPL-2.0-or-later")
    return {f"third_party/{name}": (path.read_bytes(), 0o644) for name, path in paths.items()}


def metadata(pyproject: bytes, folder: Path) -> bytes:
    """PKG-INFO, as scikit-build-core makes it for the wheels of a checkout."""
    (folder / "shared").mkdir()
    (folder / "pyproject.toml").write_bytes(pyproject)
    for name in ("README.md", "LICENSE", "shared/pmg_version.h"):
        shutil.copy(ROOT / name, folder / name)
    for package in ("mongoose", "mbedtls"):
        (folder / "third_party" / package).mkdir(parents=True)
        shutil.copy(dependency(package) / "LICENSE", folder / "third_party" / package)
    code = "import sys; from scikit_build_core.build import prepare_metadata_for_build_wheel as make; make(sys.argv[1])"
    run(VENV / "python", "-c", code, folder / "out", cwd=folder)
    return next((folder / "out").glob("*/METADATA")).read_bytes()


def for_release(pyproject: bytes) -> tuple[bytes, bytes]:
    """pyproject.toml for the metadata, and that of the distribution, which has its own backend."""
    text = pyproject.decode()
    urls = {"Homepage": "HOME_PAGE", "Documentation": "DOCS_URL"}
    lines = [f'{name} = "{os.environ[key]}"' for name, key in urls.items() if os.environ.get(key)]
    if lines:
        text = text.replace(
            "[project.optional-dependencies]",
            "[project.urls]\n" + "\n".join(lines) + "\n\n[project.optional-dependencies]",
        )
    text = text.replace(
        'license-files = ["LICENSE"]', 'license-files = ["LICENSE", "third_party/*/LICENSE"]'
    )
    own = 'requires = []\nbuild-backend = "sdist_backend"\nbackend-path = ["tools/release"]\n'
    ours, count = re.subn(r'requires = \[.*\]\nbuild-backend = ".*"\n', own, text, count=1)
    if not count or "third_party" not in text:
        die("pyproject.toml is not as it was: see for_release()")
    return text.encode(), ours.encode()


def make_sdist(out: Path) -> Path:
    members = committed()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        upstream, ours = for_release(members["pyproject.toml"][0])
        info = metadata(upstream, folder)
        members["pyproject.toml"] = (ours, 0o644)
        members["PKG-INFO"] = (info, 0o644)
        # Relative paths: Cython writes them into the file.
        for path in (path for path in members if path.startswith("cpython/")):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(members[path][0])
        cython = [VENV / "python", "-m", "cython", "-3", "-I", "cpython"]
        run(
            *cython, "--output-file", "cpython/_pymongoose.c", "cpython/_pymongoose.pyx", cwd=folder
        )
        members["cpython/_pymongoose.c"] = ((folder / "cpython/_pymongoose.c").read_bytes(), 0o644)
    members |= third_party()
    stem = f"pymongoose_net-{version()}"
    target = out / f"{stem}.tar.gz"
    wheel_file.tar_of(target, {f"{stem}/{name}": member for name, member in members.items()})
    return target


# ---- Wheels ------------------------------------------------------------------------------------


def pythons() -> list[Path]:
    """CPython's that are here with their headers, one of each version."""
    found: dict[str, Path] = {}
    candidates = [
        Path(folder) / f"python3.{minor}"
        for minor in range(OLDEST[1], 20)
        for folder in ("/usr/bin", "/usr/local/bin")
    ]
    for path in candidates:
        if path.exists():
            code = "import sysconfig, os, sys; p = sysconfig.get_path('include'); print(sys.version_info[1] if os.path.exists(p + '/Python.h') else '')"
            if minor := run(path, "-c", code):
                found.setdefault(minor, path)
    return list(found.values())


def offline() -> list[str]:
    """What takes the network from a command, where the kernel lets a user do that."""
    command = ["unshare", "--map-root-user", "--net"]
    usable = (
        shutil.which("unshare")
        and not subprocess.run([*command, "true"], capture_output=True, check=False).returncode
    )
    return command if usable else []


def make_wheel(python: Path, sdist: Path, out: Path) -> Path:
    """From the distribution, without a network; then auditwheel says which systems have all it needs."""
    with tempfile.TemporaryDirectory() as name:
        raw, repaired = Path(name, "raw"), Path(name, "repaired")
        venv = Path(name, "venv")
        run(python, "-m", "venv", venv)
        pip = [venv / "bin/python", "-m", "pip", "wheel", "--disable-pip-version-check"]
        run(
            *offline(),
            *pip,
            "--no-index",
            "--no-deps",
            "--wheel-dir",
            raw,
            sdist,
            PIP_CONFIG_FILE=os.devnull,
        )
        wheel = next(raw.glob("*.whl"))
        if sys.platform != "linux":
            return Path(shutil.copy(wheel, out))
        path = f"{VENV}:{os.environ['PATH']}"
        run(VENV / "auditwheel", "repair", "--wheel-dir", repaired, wheel, PATH=path)
        return Path(shutil.copy(next(repaired.glob("*.whl")), out))


def make_stubs(out: Path) -> Path:
    ours = (ROOT / "pyproject.toml").read_text()
    license_ = re.search(r'^license = "(.+)"$', ours, re.M)
    info = (
        f"Metadata-Version: 2.4\nName: pymongoose-stubs\nVersion: {version()}\n"
        "Summary: Type stubs of pymongoose, for MicroPython\n"
        f"License-Expression: {license_[1] if license_ else ''}\nLicense-File: LICENSE\n"
        "Classifier: Typing :: Stubs Only\nRequires-Python: >=3.10\n"
        f"Description-Content-Type: text/markdown\n\n{STUBS_README}"
    ).encode()
    folder = ROOT / "typings/pymongoose"
    members = {f"pymongoose-stubs/{path.name}": path.read_bytes() for path in folder.glob("*.pyi")}
    licenses = {"LICENSE": (ROOT / "LICENSE").read_bytes()}
    return out / wheel_file.write(out, "py3-none-any", info, members, licenses)


# ---- The rest ----------------------------------------------------------------------------------


def zip_folder(path: Path, folder: Path, top: str) -> Path:
    files = [each for each in sorted(folder.rglob("*")) if each.is_file()]
    members = {f"{top}/{each.relative_to(folder).as_posix()}": each.read_bytes() for each in files}
    wheel_file.zip_of(path, members)
    return path


def make_docs(out: Path) -> Path:
    with tempfile.TemporaryDirectory() as name:
        html = Path(name, "html")
        doctrees = ["-d", Path(name, "doctrees")]
        run(
            VENV / "python",
            "-m",
            "sphinx",
            "-W",
            "-E",
            "-q",
            "-b",
            "html",
            *doctrees,
            "docs",
            html,
            PYTHONHASHSEED="0",
        )
        (html / ".buildinfo").unlink(missing_ok=True)
        return zip_folder(out / f"pymongoose-docs-{version()}.zip", html, "pymongoose-docs")


def make_archive(out: Path, what: str, folder: str) -> Path:
    stem = f"pymongoose-{what}-{version()}"
    members = {name: member for name, member in committed().items() if name.startswith(folder)}
    path = out / f"{stem}.tar.gz"
    wheel_file.tar_of(
        path,
        {f"{stem}/{name}": member for name, member in members.items()}
        | {f"{stem}/LICENSE": ((ROOT / "LICENSE").read_bytes(), 0o644)},
    )
    return path


def make_firmware(out: Path, build: Path) -> list[Path]:
    """RPI_PICO and RPI_PICO2; other boards' needs drivers that are not fetched here."""
    (out / "firmware").mkdir(exist_ok=True)
    found = []
    for board in BOARDS:
        # Nothing of a build before: MicroPython's rules do not see all that an object came from.
        shutil.rmtree(build / board, ignore_errors=True)
        run("tools/build/firmware.sh", board, build / board)
        path = out / "firmware" / f"{board}-{version()}.uf2"
        shutil.copy(build / board / "firmware.uf2", path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n")
        found.append(path)
    return found


def make_sbom(out: Path) -> Path:
    """SPDX 2.3: what is in the files of this release, with what each was made from."""
    created = datetime.fromtimestamp(wheel_file.epoch(), timezone.utc).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    own = {
        "SPDXID": "SPDXRef-pymongoose",
        "name": "pymongoose-net",
        "versionInfo": version(),
        "downloadLocation": os.environ.get("HOME_PAGE") or "NOASSERTION",
        "licenseDeclared": "GPL-2.0-only",
        "licenseConcluded": "GPL-2.0-only",
        "copyrightText": "NOASSERTION",
        "filesAnalyzed": False,
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": f"pkg:pypi/pymongoose-net@{version()}",
            }
        ],
    }
    packages, relations = [own], []
    for name, (license_, supplier, where) in THIRD.items():
        found = re.match(r"\s*(.+?)\s+(\S+)\s+/", run("/usr/bin/python3", DEPS, name))
        assert found
        packages.append(
            {
                "SPDXID": f"SPDXRef-{name}",
                "name": found[1],
                "versionInfo": found[2],
                "supplier": f"Organization: {supplier}",
                "downloadLocation": "NOASSERTION",
                "licenseDeclared": "Apache-2.0 OR GPL-2.0-or-later"
                if name == "mbedtls"
                else license_,
                "licenseConcluded": license_,
                "copyrightText": "NOASSERTION",
                "filesAnalyzed": False,
                "comment": "in the firmware, the wheels and the source distribution"
                if where == "all"
                else "in the firmware",
            }
        )
        relations.append(
            {
                "spdxElementId": "SPDXRef-pymongoose",
                "relationshipType": "CONTAINS",
                "relatedSpdxElement": f"SPDXRef-{name}",
            }
        )
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"pymongoose-{version()}",
        "documentNamespace": f"https://spdx.org/spdxdocs/pymongoose-{version()}-{run('git', 'rev-parse', 'HEAD')}",
        "creationInfo": {"created": created, "creators": ["Tool: tools/release/release.py"]},
        "documentDescribes": ["SPDXRef-pymongoose"],
        "packages": packages,
        "relationships": relations,
    }
    path = out / f"pymongoose-{version()}.spdx.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def list_all(out: Path) -> None:
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    names = {path.relative_to(out).as_posix(): path.read_bytes() for path in files}
    sizes = "".join(f"{len(data):>12,}  {name}\n" for name, data in names.items())
    sizes += "\nFlash and RAM by part: docs/size.md. Instructions and memory beside others: benchmarks/README.md.\n"
    names["SIZES.txt"] = sizes.encode()
    (out / "SIZES.txt").write_text(sizes)
    lines = [
        f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(names.items())
    ]
    (out / "MANIFEST.sha256").write_text("".join(lines))


def gather(out: Path, parts: list[str], chosen: list[Path], firmware: Path) -> None:
    """`firmware` is where it is compiled."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    sdist = None
    if {"sdist", "wheels"} & set(parts):
        sdist = make_sdist(out)
        say(f"{sdist.name}: {sdist.stat().st_size:,} bytes")
    if "wheels" in parts:
        if not chosen:
            die(
                "no Python here has its headers: apt install libpython3-dev, or --python (PYTHONS=)"
            )
        if not offline():
            say("this kernel takes the network from no command: the wheels were built with it")
        for python in chosen:
            assert sdist
            wheel = make_wheel(python, sdist, out)
            say(f"{wheel.name}: {wheel.stat().st_size:,} bytes")
    makers: dict[str, Callable[[], Path | list[Path]]] = {
        "stubs": lambda: make_stubs(out),
        "docs": lambda: make_docs(out),
        "rig": lambda: make_archive(out, "rig", "boards/rig/"),
        "examples": lambda: make_archive(out, "examples", "examples/"),
        "firmware": lambda: make_firmware(out, firmware),
        "sbom": lambda: make_sbom(out),
    }
    for part, make in makers.items():
        if part in parts:
            made = make()
            for path in made if isinstance(made, list) else [made]:
                say(f"{path.relative_to(out)}: {path.stat().st_size:,} bytes")
    list_all(out)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="release.py", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build/release")
    parser.add_argument("--only", default=",".join(PARTS), help=",".join(PARTS))
    parser.add_argument(
        "--python", type=Path, action="append", help="wheels for these; default: all here"
    )
    parser.add_argument("--check", action="store_true", help="twice: the hashes must be equal")
    parser.add_argument("--trial", action="store_true", help="go on with what is not committed")
    args = parser.parse_args()
    parts = args.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if changed := run("git", "status", "--porcelain"):
        if {"docs", "firmware", "stubs"} & set(parts) and not args.trial:
            die(f"these changes are not committed: commit or remove them; or --trial\n{changed}")
        say(f"these changes are not committed, and left out:\n{changed}")
    os.environ.setdefault("SOURCE_DATE_EPOCH", run("git", "log", "-1", "--format=%ct"))
    os.environ["TZ"] = "UTC"
    chosen = args.python or pythons()
    gather(args.out, parts, chosen, ROOT / "build/release-firmware")
    say(f"{args.out}/MANIFEST.sha256")
    if args.check:
        with tempfile.TemporaryDirectory() as name:
            again = Path(name, "release")
            gather(again, parts, chosen, Path(name, "firmware"))
            first = set((args.out / "MANIFEST.sha256").read_text().splitlines())
            second = set((again / "MANIFEST.sha256").read_text().splitlines())
        if first != second:
            die(
                "two runs differ in:\n  "
                + "\n  ".join(sorted({line[66:] for line in first ^ second}))
            )
        say(f"two runs gave the same {len(first)} hashes")


if __name__ == "__main__":
    main()
