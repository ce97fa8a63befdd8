# SPDX-License-Identifier: GPL-2.0-only
"""Who is measured: the one table of servers, and how what they need is brought."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from runner import ROOT, SERVERS, WORK, BenchError, say

VENV = ROOT / "build" / "bench-venv"
PYTHON = VENV / "bin" / "python"
OUR_PYTHON = ROOT / ".venv" / "bin" / "python"
OUR_UNIX = ROOT / "build" / "unix" / "micropython"
REQUIREMENTS = ROOT / "benchmarks" / "requirements.txt"

# Mongoose's own way of building, less its log: at its default level that costs ten times the rest.
CFLAGS = ["-O2", "-DNDEBUG", "-DMG_ENABLE_LOG=0", "-w"]


@dataclass(frozen=True)
class Peer:
    name: str
    command: Callable[[int], list[str]]
    package: str = ""  # of requirements.txt
    ours: bool = False
    walks: bool = False  # looks at every connection at every request
    keep_alive: bool = True
    one_process: bool = True  # callgrind follows one


def script(python: Path, name: str, *more: str, heap: str = "") -> Callable[[int], list[str]]:
    """`heap`: of MicroPython's, for what is larger than the usual one."""
    # -s: nothing from the user's own packages; MicroPython does not know the option.
    flags = (["-X", f"heapsize={heap}"] if heap else []) if python == OUR_UNIX else ["-s"]
    return lambda port: [str(python), *flags, str(SERVERS / name), str(port), *more]


def mongoose(variant: str, *more: str) -> Callable[[int], list[str]]:
    return lambda port: [str(mongoose_server()), str(port), variant, *more]


def granian(port: int) -> list[str]:
    return [
        *(str(VENV / "bin" / "granian"), "--interface", "rsgi", "--loop", "uvloop"),
        *("--no-ws", "--port", str(port), "--working-dir", str(SERVERS), "rsgi_app:app"),
    ]


@cache
def microdot_folder() -> str:
    """A folder with microdot in it; empty if it is not installed."""
    found = subprocess.run(
        [
            PYTHON,
            "-c",
            "import microdot, os; print(os.path.dirname(os.path.dirname(microdot.__file__)))",
        ],
        capture_output=True,
        text=True,
    )
    # Its folder holds CPython's packages too: MicroPython gets a folder with nothing else in it.
    folder = WORK / "microdot"
    folder.mkdir(exist_ok=True)
    link = folder / "microdot"
    if found.returncode == 0 and not link.exists():
        link.symlink_to(Path(found.stdout.strip()) / "microdot")
    return str(folder)


C_MONGOOSE = Peer("C Mongoose", mongoose("documented"), walks=True)
C_FLUSHED = Peer("C Mongoose, flushed by hand", mongoose("flushed"), walks=True)
OURS = Peer("pymongoose, CPython", script(OUR_PYTHON, "hello_pymongoose.py"), ours=True)
OURS_UNIX = Peer("pymongoose, MicroPython", script(OUR_UNIX, "hello_pymongoose.py"), ours=True)

HELLO = [
    OURS,
    OURS_UNIX,
    Peer(
        "pymongoose, CPython, all events",
        script(OUR_PYTHON, "hello_pymongoose.py", "all"),
        ours=True,
    ),
    Peer(
        "pymongoose, MicroPython, all events",
        # 10,000 objects of connections are more than the usual 2 MB hold.
        script(OUR_UNIX, "hello_pymongoose.py", "all", heap="16m"),
        ours=True,
    ),
    C_MONGOOSE,
    C_FLUSHED,
    Peer("bjoern", script(PYTHON, "hello_bjoern.py"), "bjoern"),
    Peer("cymongoose", script(PYTHON, "hello_cymongoose.py"), "cymongoose", walks=True),
    Peer("granian (RSGI)", granian, "granian", one_process=False),
    Peer("uvicorn", script(PYTHON, "hello_uvicorn.py"), "uvicorn"),
    Peer("aiohttp", script(PYTHON, "hello_aiohttp.py"), "aiohttp"),
    Peer("MicroPython sockets, naive", script(OUR_UNIX, "hello_naive.py")),
    Peer(
        "Microdot, MicroPython",
        lambda port: script(OUR_UNIX, "hello_microdot.py", microdot_folder())(port),
        "microdot",
        keep_alive=False,
    ),
]

ECHO = [
    Peer(OURS.name, script(OUR_PYTHON, "echo_pymongoose.py"), ours=True),
    Peer(OURS_UNIX.name, script(OUR_UNIX, "echo_pymongoose.py"), ours=True),
    C_MONGOOSE,
    C_FLUSHED,
    Peer("picows", script(PYTHON, "echo_picows.py"), "picows"),
    Peer("cymongoose", script(PYTHON, "echo_cymongoose.py"), "cymongoose"),
    Peer("aiohttp", script(PYTHON, "echo_aiohttp.py"), "aiohttp"),
    Peer("websockets", script(PYTHON, "echo_websockets.py"), "websockets"),
]


NGINX = "nginx, sendfile off"


def nginx(root: Path, conf: str = "nginx.conf") -> Callable[[int], list[str]]:
    def command(port: int) -> list[str]:
        temp = WORK / "nginx"
        temp.mkdir(exist_ok=True)
        text = (SERVERS / conf).read_text()
        for name, value in {"PORT": port, "ROOT": root, "TEMP": temp}.items():
            text = text.replace(name, str(value))
        (temp / "nginx.conf").write_text(text)
        return ["/usr/sbin/nginx", "-p", str(temp), "-c", str(temp / "nginx.conf")]

    return command


def files(path: Path) -> list[Peer]:
    return [
        Peer(OURS.name, script(OUR_PYTHON, "file_pymongoose.py", str(path)), ours=True),
        Peer(OURS_UNIX.name, script(OUR_UNIX, "file_pymongoose.py", str(path)), ours=True),
        Peer(NGINX, nginx(path.parent)),
        Peer("C Mongoose", mongoose("documented", str(path))),
        Peer("cymongoose", script(PYTHON, "file_cymongoose.py", str(path)), "cymongoose"),
    ]


# ---------------------------------------------------------------------------------------------
# What they need


def pip(*args: str) -> str | None:
    """Installs; returns why that failed."""
    done = subprocess.run(
        [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *args],
        capture_output=True,
        text=True,
    )
    if done.returncode == 0:
        return None
    reasons = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    return (reasons or done.stderr.splitlines() or ["pip failed"])[-1].strip()


def environment() -> dict[str, str]:
    """Makes build/bench-venv; returns the packages that could not be installed, with the reason."""
    stamp = VENV / "stamp"
    wanted = REQUIREMENTS.read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return {}
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    say("installing the peers into build/bench-venv with pip (about 60 MB, a minute)")
    if pip("--requirement", str(REQUIREMENTS)) is None:
        stamp.write_text(wanted)
        return {}
    missing = {}
    for line in wanted.splitlines():
        if line and not line.startswith("#"):
            reason = pip(line)
            if reason is not None:
                missing[line.partition("==")[0]] = reason
    return missing


def versions() -> dict[str, str]:
    """What is installed of requirements.txt, and the system's nginx."""
    done = subprocess.run(
        [PYTHON, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
    )
    listed = dict(line.split("==", 1) for line in done.stdout.splitlines() if "==" in line)
    wanted = [line.partition("==")[0] for line in REQUIREMENTS.read_text().splitlines()]
    found = {name: listed[name] for name in wanted if name in listed}
    done = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True)
    found["nginx"] = done.stderr.strip().rpartition("/")[2]
    return found


def compiled(name: str, sources: list[Path], flags: list[str]) -> Path:
    out = WORK / name
    if not out.exists() or any(s.stat().st_mtime > out.stat().st_mtime for s in sources):
        done = subprocess.run(["gcc", *flags, "-o", out, *sources], capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"gcc: {name}: {done.stderr.strip().splitlines()[0]}")
    return out


@cache
def mongoose_folder() -> Path:
    return Path(
        subprocess.run(
            [sys.executable, ROOT / "tools" / "deps" / "deps.py", "--path", "mongoose"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )


@cache
def mongoose_server() -> Path:
    folder = mongoose_folder()
    sources = [SERVERS / "mongoose_server.c", folder / "mongoose.c"]
    return compiled("mongoose_server", sources, [*CFLAGS, f"-I{folder}"])


@cache
def mqtt_client() -> Path:
    folder = mongoose_folder()
    sources = [SERVERS / "mqtt_client.c", folder / "mongoose.c"]
    return compiled("mqtt_client", sources, [*CFLAGS, f"-I{folder}"])


@cache
def ws_load() -> Path:
    return compiled("ws_load", [ROOT / "benchmarks" / "ws_load.c"], ["-O2", "-Wall", "-Wextra"])


def prepare() -> None:
    """Compiles what would else be compiled while a figure is taken."""
    mongoose_server()
    mqtt_client()
    ws_load()
    microdot_folder()
