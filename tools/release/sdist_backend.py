# SPDX-License-Identifier: GPL-2.0-only
"""The build backend of the source distribution: a C compiler and this Python, nothing else.

`make release` puts it in place of scikit-build-core, which with CMake, Ninja and Cython would have
to be fetched. What they make, the C file of the binding, is in the distribution, and so are Mongoose
and Mbed TLS, in third_party/. The options of the compiler are those of cpython/CMakeLists.txt.

Environment: CC and CFLAGS as usual; PMG_JOBS, how many compilers run at once.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import wheel_file

TOP = Path(__file__).resolve().parents[2]
MONGOOSE = TOP / "third_party/mongoose"
MBEDTLS = TOP / "third_party/mbedtls"
BINDING = TOP / "cpython/_pymongoose.c"
#: As pyproject.toml's wheel.exclude has it.
LEFT_OUT = ("plugin.py", "_micropython.py")
NEEDED = (BINDING, MONGOOSE / "mongoose.c", MBEDTLS / "library/ssl_tls.c", TOP / "PKG-INFO")
COMPILER_HELP = """\
a C compiler and this Python's headers are what the source distribution needs:
    Debian, Ubuntu   apt install gcc libc6-dev libpython3-dev
    Fedora           dnf install gcc python3-devel
    Alpine           apk add gcc musl-dev python3-dev
    macOS            xcode-select --install
Where there is a wheel for this Python, `pip install --only-binary :all: pymongoose-net` needs none."""


def die(text: str) -> NoReturn:
    sys.exit(f"pymongoose-net: error: {text}")


def compiler() -> list[str]:
    configured = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    for command in (configured, ["cc"], ["gcc"], ["clang"]):
        if shutil.which(command[0]):
            return command
        if os.environ.get("CC"):
            break
    die(f"there is no C compiler {configured[0]!r}; {COMPILER_HELP}")


def check() -> None:
    if sys.platform == "win32":
        die("Windows is no platform of it: install it within WSL, as on Linux (docs/installing.md)")
    for path in NEEDED:
        if not path.is_file():
            die(
                f"{path.relative_to(TOP)} is missing: the distribution is not whole; fetch it again"
            )
    include = sysconfig.get_path("include")
    if not Path(include, "Python.h").is_file():
        die(f"there is no Python.h in {include}; {COMPILER_HELP}")


def mbedtls_sources() -> list[Path]:
    """The list is CMake's, so that there is one."""
    rules = (TOP / "cpython/CMakeLists.txt").read_text()
    found = re.search(r"set\(PMG_MBEDTLS_SOURCES\s+([^)]+)\)", rules)
    if not found:
        die("cpython/CMakeLists.txt names no PMG_MBEDTLS_SOURCES")
    return [MBEDTLS / f"library/{name}.c" for name in found.group(1).split()]


def run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=TOP, text=True, capture_output=True, check=False)
    if done.returncode:
        die(f"{shlex.join(command)}\n{done.stderr.strip()}\n{COMPILER_HELP}")


def accepts(cc: list[str], option: str, work: Path) -> bool:
    probe = work / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    command = [*cc, option, "-o", str(work / "probe"), str(probe)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def extension(work: Path) -> Path:
    """Compiles and links `_pymongoose`."""
    check()
    cc = compiler()
    # The same bytes wherever the distribution lies.
    common = ["-O2", "-DNDEBUG", "-std=gnu99", "-fPIC", "-fvisibility=hidden"]
    common += [f"-ffile-prefix-map={TOP}=pymongoose"]
    common += shlex.split(os.environ.get("CFLAGS", ""))
    tls = [
        f"-I{MBEDTLS}/include",
        f"-I{TOP}/shared",
        '-DMBEDTLS_CONFIG_FILE="tls/mbedtls_config.h"',
    ]
    own = [*tls, f"-I{TOP}/cpython", f"-I{MONGOOSE}", f"-I{sysconfig.get_path('include')}"]
    own += ["-DMG_ARCH=MG_ARCH_CUSTOM", "-DPMG_POSIX_FS=1"]
    lto = ["-flto"] if accepts(cc, "-flto", work) else []
    jobs: list[tuple[Path, list[str]]] = []
    for source in mbedtls_sources():
        extra = []
        if source.name == "ssl_tls12_client.c":
            extra = ["-include", f"{TOP}/shared/tls/tls12_pss.h", f"-I{MBEDTLS}/library"]
        jobs.append((source, [*tls, *extra]))
    sources = [BINDING, MONGOOSE / "mongoose.c", *(TOP / "cpython").glob("*.c")]
    sources += [*(TOP / "shared").glob("*/*.c"), *(TOP / "shared/io").glob("*/*.c")]
    for source in sorted(set(sources), key=lambda path: path.relative_to(TOP).as_posix()):
        jobs.append((source, [*own, *lto]))

    objects = []
    commands = []
    for source, options in jobs:
        name = source.relative_to(TOP).as_posix()
        objects.append(str(work / (name.replace("/", "-") + ".o")))
        seed = f"-frandom-seed={name}"
        commands.append([*cc, *common, seed, *options, "-c", str(source), "-o", objects[-1]])
    with ThreadPoolExecutor(int(os.environ.get("PMG_JOBS") or os.cpu_count() or 1)) as pool:
        list(pool.map(run, commands))
    target = work / f"_pymongoose{sysconfig.get_config_var('EXT_SUFFIX')}"
    shared = (
        ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]
    )
    # A path of this build in the link's options would reach the build's id.
    ident = ["-Wl,--build-id=none", "-s"] if sys.platform == "linux" else []
    run([*cc, *common, *lto, *shared, *ident, *objects, "-lpthread", "-o", str(target)])
    return target


def members(binary: Path) -> dict[str, Path]:
    found = {binary.name: binary, "pytest_pymongoose.py": TOP / "cpython/testing/plugin.py"}
    folders = [("pymongoose", "shared/python/pymongoose"), ("pymongoose", "typings/pymongoose")]
    folders += (
        ("pymongoose/testing", "cpython/testing"),
        ("pymongoose/flash", "cpython/flash"),
    )
    for package, folder in folders:
        for path in sorted((TOP / folder).rglob("*")):
            name = path.relative_to(TOP / folder).as_posix()
            if path.is_file() and "__pycache__" not in name and not name.endswith(LEFT_OUT):
                found[f"{package}/{name}"] = path
    return found


def license_files() -> dict[str, Path]:
    found = {"LICENSE": TOP / "LICENSE"}
    for folder in (MONGOOSE, MBEDTLS):
        found[f"third_party/{folder.name}/LICENSE"] = folder / "LICENSE"
    return found


# What sysconfig takes from the kernel, of a Python of 32 bits on one of 64: what pip calls it.
OF_32_BITS = {"linux_x86_64": "linux_i686", "linux_aarch64": "linux_armv7l"}


def platform_tag() -> str:
    tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return tag if sys.maxsize > 1 << 32 else OF_32_BITS.get(tag, tag)


def build_wheel(
    wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None
) -> str:
    if sys.implementation.name != "cpython":
        die(
            f"it is for CPython, not for {sys.implementation.name}; firmware has it for MicroPython"
        )
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    abi = python + getattr(sys, "abiflags", "")
    with tempfile.TemporaryDirectory() as folder:
        binary = extension(Path(folder))
        return wheel_file.write(
            Path(wheel_directory),
            f"{python}-{abi}-{platform_tag()}",
            (TOP / "PKG-INFO").read_bytes(),
            {name: path.read_bytes() for name, path in members(binary).items()},
            {name: path.read_bytes() for name, path in license_files().items()},
            entry_points=wheel_file.entry_points(TOP / "pyproject.toml"),
        )


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    die("this is the source distribution already; in a checkout, `make release` makes one")


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    return []


def get_requires_for_build_sdist(config_settings: Any = None) -> list[str]:
    return []
