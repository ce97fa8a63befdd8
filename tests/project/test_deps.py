# SPDX-License-Identifier: GPL-2.0-only
"""tools/deps/deps.py: each way in which an input can be wrong or missing says so, and path overrides.

None of these tests needs a network: where one must be absent, apt and pip are pointed at a
closed port of this machine.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from sources import apt, fetch, inputs
from sources.fetch import Fetcher
from sources.inputs import DepsError
from targets import ROOT

CLOSED = "http://127.0.0.1:9"

VARIABLES = {item.variable: item.name for item in inputs.ALL}


@pytest.fixture
def environment(tmp_path):
    """An environment with an empty cache and no way out."""
    apt_conf = tmp_path / "apt.conf"
    apt_conf.write_text(f'Acquire::http::Proxy "{CLOSED}";\nAcquire::https::Proxy "{CLOSED}";\n')
    ours = (*VARIABLES, "MICROPYTHON", inputs.ALLOW_HASH)
    clean = {k: v for k, v in os.environ.items() if k not in ours}
    return clean | {
        "PYMONGOOSE_CACHE": str(tmp_path / "cache"),
        "PYMONGOOSE_TRIES": "1",
        "APT_CONFIG": str(apt_conf),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_PROXY": CLOSED,
        "PIP_RETRIES": "0",
        "npm_config_registry": CLOSED,
        "npm_config_fetch_retries": "0",
    }


def deps(environment, *arguments):
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "deps" / "deps.py"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def mongoose(tmp_path):
    folder = tmp_path / "mongoose"
    folder.mkdir()
    (folder / "mongoose.c").write_text('#include "mongoose.h"\n')
    (folder / "mongoose.h").write_text('#define MG_VERSION "7.99"\n')
    return folder


@pytest.fixture
def micropython(tmp_path):
    """Just enough of a MicroPython tree whose submodules are empty."""
    folder = tmp_path / "micropython"
    for name in ("py", "ports/unix", "ports/rp2", "mpy-cross", "lib/mbedtls", "extmod/mbedtls"):
        (folder / name).mkdir(parents=True)
    set_version(folder, inputs.MICROPYTHON_VERSION)
    for name in (
        "ports/unix/Makefile",
        "ports/rp2/CMakeLists.txt",
        "mpy-cross/Makefile",
        "extmod/extmod.mk",
        "extmod/mbedtls/config.h",
    ):
        (folder / name).write_text("# one\n")
    return folder


def set_version(tree, version):
    parts = zip(("MAJOR", "MINOR", "MICRO"), version.split("."), strict=True)
    (tree / "py/mpconfig.h").write_text(
        "".join(f"#define MICROPY_VERSION_{part} {value}\n" for part, value in parts)
    )


def write_mbedtls(folder, version="3.6.99"):
    (folder / "include/mbedtls").mkdir(parents=True)
    (folder / "library").mkdir()
    line = f'#define MBEDTLS_VERSION_STRING         "{version}"\n'
    (folder / "include/mbedtls/build_info.h").write_text(line)
    for name in ("ssl_tls.c", "version_features.c"):
        (folder / "library" / name).touch()
    return folder


@pytest.fixture
def mbedtls(tmp_path):
    return write_mbedtls(tmp_path / "mbedtls")


def test_wrong_source_hash_names_file_and_both_hashes(environment, mongoose):
    result = deps(environment | {"MONGOOSE_DIR": str(mongoose)}, "mongoose")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert f"MONGOOSE_DIR={mongoose}" in result.stderr
    assert str(mongoose / "mongoose.c") in result.stderr
    assert inputs.MONGOOSE_SHA256["mongoose.c"] in result.stderr
    assert "found    sha256 " in result.stderr
    assert "ALLOW_MONGOOSE_HASH=1" in result.stderr


def test_wrong_source_hash_can_be_allowed(environment, mongoose):
    allowed = environment | {"MONGOOSE_DIR": str(mongoose), "ALLOW_MONGOOSE_HASH": "1"}
    result = deps(allowed, "mongoose")
    assert result.returncode == 0, result.stderr
    assert "7.99" in result.stdout and str(mongoose) in result.stdout


def test_no_network_and_empty_cache_is_one_error(environment):
    begun = time.monotonic()
    result = deps(environment)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    for name in ("Mongoose", "MicroPython", "Mbed TLS", "uPlot", "axe-core", "make deps"):
        assert name in result.stderr
    for variable in VARIABLES:
        assert f"{variable}=/path" in result.stderr
    assert result.stderr.count("error:") == 1
    assert time.monotonic() - begun < 60
    assert not list(Path(environment["PYMONGOOSE_CACHE"]).glob("*-*")), "leftovers in the cache"


def test_only_what_is_asked_for_is_missed(environment):
    result = deps(environment, "mongoose")
    assert result.returncode == 1
    assert "MONGOOSE_DIR=/path" in result.stderr
    assert "MICROPYTHON_DIR" not in result.stderr


def test_override_prints_only_the_path(environment, mbedtls):
    result = deps(environment | {"MBEDTLS_DIR": str(mbedtls)}, "--path", "mbedtls")
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{mbedtls}\n"


@pytest.mark.parametrize(("variable", "name"), VARIABLES.items())
def test_override_without_the_files(environment, tmp_path, variable, name):
    empty = tmp_path / "empty"
    empty.mkdir()
    result = deps(environment | {variable: str(empty)}, name)
    assert result.returncode == 1
    assert f"{variable}={empty}: it lacks " in result.stderr
    result = deps(environment | {variable: str(empty / "none")}, name)
    assert f"{variable}={empty / 'none'}: there is no such folder" in result.stderr


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.31.2", "warning: MICROPYTHON_DIR={}: MicroPython 1.31.2 is newer than what is known"),
        ("1.19.1", "warning: MICROPYTHON_DIR={}: MicroPython 1.19.1 is older than what is known"),
        ("1.28.0", None),
        ("1.29.0", None),
    ],
)
def test_unknown_versions_are_warned_of(environment, micropython, version, words):
    set_version(micropython, version)
    result = deps(environment | {"MICROPYTHON_DIR": str(micropython)}, "micropython")
    assert result.returncode == 0, result.stderr
    assert version in result.stdout
    if words is None:
        assert result.stderr == ""
    else:
        assert words.format(micropython) in result.stderr
        # What is likely to break, and where to look.
        assert "Going on." in result.stderr and "port_compat.h" in result.stderr
        assert result.stderr.count("\n") == 1


def test_wrong_series_is_refused(environment, mbedtls):
    header = mbedtls / "include/mbedtls/build_info.h"
    header.write_text('#define MBEDTLS_VERSION_STRING "2.28.3"\n')
    result = deps(environment | {"MBEDTLS_DIR": str(mbedtls)}, "mbedtls")
    assert result.returncode == 1
    assert "it is Mbed TLS 2.28.3; 3.6.x is needed" in result.stderr


def test_no_micropython_at_all(environment, mbedtls):
    """A folder of something else: what it lacks is named."""
    result = deps(environment | {"MICROPYTHON_DIR": str(mbedtls)}, "--path", "micropython")
    assert result.returncode == 1
    assert f"MICROPYTHON_DIR={mbedtls}: it lacks py/mpconfig.h, " in result.stderr


def test_half_a_micropython(environment, micropython):
    """A submodule that git did not bring whole, and a tree without the port."""
    (micropython / "lib/mbedtls/library").mkdir()
    named = environment | {"MICROPYTHON_DIR": str(micropython)}
    result = deps(named, "--path", "micropython")
    assert result.returncode == 1
    assert "lib/mbedtls: it lacks include/mbedtls/build_info.h" in result.stderr
    assert f"git -C {micropython} submodule update --init lib/mbedtls" in result.stderr
    (micropython / "ports/rp2/CMakeLists.txt").unlink()
    result = deps(named, "--path", "micropython-rp2")
    assert "it lacks ports/rp2/CMakeLists.txt" in result.stderr


def test_tree_without_submodules_is_copied_not_changed(environment, micropython, mbedtls):
    named = environment | {"MICROPYTHON_DIR": str(micropython), "MBEDTLS_DIR": str(mbedtls)}
    for content in ("# one\n", "# two, longer\n"):  # the second run follows an edit
        (micropython / "extmod/mbedtls/config.h").write_text(content)
        result = deps(named, "--path", "micropython")
        assert result.returncode == 0, result.stderr
        tree = Path(result.stdout.strip())
        assert tree.is_relative_to(environment["PYMONGOOSE_CACHE"])
        assert (tree / "lib/mbedtls").resolve() == mbedtls
        assert (tree / "extmod/mbedtls/config.h").read_text() == content
    assert list((micropython / "lib/mbedtls").iterdir()) == []


def test_tree_with_submodules_is_used_in_place(environment, micropython):
    write_mbedtls(micropython / "lib/mbedtls")
    result = deps(environment | {"MICROPYTHON_DIR": str(micropython)}, "--path", "micropython")
    assert result.stdout == f"{micropython}\n", result.stderr


def test_rp2_links_what_the_tree_lacks(environment, micropython, mbedtls, tmp_path):
    lwip = tmp_path / "lwip"
    (lwip / "src/include/lwip").mkdir(parents=True)
    parts = [("MAJOR", 2), ("MINOR", 2), ("REVISION", 9)]
    (lwip / "src/include/lwip/init.h").write_text(
        "".join(f"#define LWIP_VERSION_{part} {value}\n" for part, value in parts)
    )
    (lwip / "src/include/lwip/tcp.h").touch()
    own = micropython / "lib/tinyusb/src"  # a checkout's
    for name in ("tusb.h", "tusb_option.h", "portable/raspberrypi/rp2040/dcd_rp2040.c"):
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).touch()
    parts = [("MAJOR", 0), ("MINOR", 20), ("REVISION", 0)]
    (own / "tusb_option.h").write_text(
        "".join(f"#define TUSB_VERSION_{part} {value}\n" for part, value in parts)
    )
    named = environment | {
        "MICROPYTHON_DIR": str(micropython),
        "MBEDTLS_DIR": str(mbedtls),
        "LWIP_DIR": str(lwip),
    }
    result = deps(named, "--path", "micropython-rp2")
    assert result.returncode == 0, result.stderr
    tree = Path(result.stdout.strip())
    assert tree.is_relative_to(environment["PYMONGOOSE_CACHE"])
    assert (tree / "lib/mbedtls").resolve() == mbedtls
    assert (tree / "lib/lwip").resolve() == lwip
    assert not (tree / "lib/tinyusb").is_symlink() and (tree / "lib/tinyusb/src").is_dir()
    assert not (micropython / "lib/lwip").exists()


@pytest.fixture
def fetcher(tmp_path):
    with Fetcher(tmp_path, lambda text: None) as fetcher:
        yield fetcher


def script_archives(tmp_path, npm, wheel):
    """One as npm packs it and one as a wheel is, with these texts as lib.min.js."""
    tgz, whl = tmp_path / "lib.tgz", tmp_path / "other.whl"
    (tmp_path / "lib.min.js").write_text(npm)
    with tarfile.open(tgz, "w:gz") as tar:
        tar.add(tmp_path / "lib.min.js", "package/dist/Lib.min.js")
    with zipfile.ZipFile(whl, "w") as zipped:
        zipped.writestr("other/static/lib.min.js", wheel)
    return tgz, whl


def fails(package):
    raise DepsError(f"no {package}")


def test_script_comes_from_npm_or_a_wheel(fetcher, tmp_path, monkeypatch):
    tgz, whl = script_archives(tmp_path, "same", "same")
    monkeypatch.setattr(fetcher, "npm", lambda package: tgz)
    monkeypatch.setattr(fetcher, "wheel", lambda requirement: whl)
    hashes = (hashlib.sha256(b"same").hexdigest(),)
    for tool, origin in (("/usr/bin/npm", "npm lib@1"), (None, "PyPI other==2")):
        monkeypatch.setattr(shutil, "which", lambda name, tool=tool: tool)
        new = tmp_path / origin
        new.mkdir()
        assert fetcher.script(new, "Lib.min.js", hashes, "lib@1", "other==2")[1] == origin
        assert (new / "Lib.min.js").read_text() == "same"


def test_script_of_another_hash_is_refused(fetcher, tmp_path, monkeypatch):
    """npm gives none; what the wheel has is not what is wanted."""
    _, whl = script_archives(tmp_path, "", "changed")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/npm")
    monkeypatch.setattr(fetch, "TRIES", 1)
    monkeypatch.setattr(fetcher, "npm", fails)
    monkeypatch.setattr(fetcher, "wheel", lambda requirement: whl)
    changed = hashlib.sha256(b"changed").hexdigest()
    with pytest.raises(DepsError, match=f"lib.min.js of PyPI other==2 has the sha256 {changed}"):
        fetcher.script(tmp_path, "lib.min.js", ("0" * 64,), "lib@1", "other==2")
    monkeypatch.setattr(fetcher, "wheel", fails)
    with pytest.raises(DepsError, match="no lib@1\nno other==2"):
        fetcher.script(tmp_path, "lib.min.js", ("0" * 64,), "lib@1", "other==2")


def fill_next(environment, version="1.26.1", **record):
    """A cache that has Debian's next release already."""
    cache = Path(environment["PYMONGOOSE_CACHE"])
    tree = cache / f"next-micropython-{version}"
    for name in inputs.by_name("micropython").files:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    set_version(tree, version)
    (cache / "next-micropython").symlink_to(tree.name)
    known = {"next-micropython": {"version": version, "archive": "x", **record}}
    (cache / "deps.json").write_text(json.dumps(known))
    return environment | {"MICROPYTHON": "next"}


def test_next_has_results_of_its_own(environment):
    assert deps(environment, "--results").stdout == "build\n"
    assert deps(environment | {"MICROPYTHON": "default"}, "--results").stdout == "build\n"
    chosen = fill_next(environment)
    assert deps(chosen, "--results").stdout == "build/mp-1.26.1\n"
    # Without a network, what was fetched before serves, and that is said.
    result = deps(chosen, "--anew", "micropython")
    assert result.returncode == 0, result.stderr
    assert f"{environment['PYMONGOOSE_CACHE']}/next-micropython-1.26.1" in result.stdout
    assert "MicroPython stays as it was fetched before: " in result.stderr
    # The default one is another.
    assert deps(environment, "micropython").returncode == 1


def test_any_other_name_is_refused(environment):
    result = deps(environment | {"MICROPYTHON": "1.28"}, "--results")
    assert result.returncode == 1
    assert "MICROPYTHON=1.28: it is `next`, or not set; MICROPYTHON_DIR=" in result.stderr


@pytest.mark.parametrize(
    ("version", "record", "said"),
    [
        (inputs.NEXT_GOOD["micropython"], {}, "\n"),
        (
            "1.31.0",
            {},
            f"MicroPython 1.31.0 ({inputs.NEXT_GOOD['micropython']} is known to be good)\n",
        ),
        ("1.26.1", {"refused": "it is too new"}, "MicroPython: it is too new\n"),
    ],
    ids=["good", "newer", "refused"],
)
def test_what_moved_on_is_named(environment, version, record, said):
    chosen = fill_next(environment, version, **record)
    assert deps(chosen, "--moved").stdout == said


def test_unknown_input_is_refused(environment):
    result = deps(environment, "nonsense")
    assert result.returncode == 2
    assert "unknown input nonsense" in result.stderr


DEB822 = """\
# a comment
Types: deb
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://archive.example/security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://disabled.example
Suites: bookworm
Components: main

Types: deb
URIs: http://third.example
Suites: nodistro
Components: main
"""
ONE_LINE = """\
# deb http://commented.example bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://archive.example/debian bookworm main # main only
deb http://archive.example/security bookworm-security main contrib
deb http://third.example bookworm-vendor main
deb-src http://archive.example/debian bookworm main
"""


def machine(tmp_path, monkeypatch, name, text):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / name).write_text(text)
    conf = tmp_path / "own.conf"
    conf.write_text(
        f'Dir::Etc::SourceList "/dev/null";\nDir::Etc::SourceParts "{tmp_path}/parts";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(conf))
    return apt.machine_stanzas()


@pytest.mark.parametrize(("name", "text"), [("a.sources", DEB822), ("a.list", ONE_LINE)])
def test_sources_follow_the_machine(tmp_path, monkeypatch, name, text):
    stanzas = machine(tmp_path, monkeypatch, name, text)
    trixie = apt.sources_for("trixie", stanzas)
    uris = [line.split()[1] for line in trixie.splitlines() if line.startswith("URIs")]
    assert uris == ["http://archive.example/debian", "http://archive.example/security"]
    assert "bookworm" not in trixie and "trixie-security" in trixie
    assert trixie.count("Signed-By: ") == 1
    assert "Types: deb deb-src" in trixie
    sid = apt.sources_for("sid", stanzas)
    assert "Suites: sid\n" in sid and "security" not in sid
    assert "trixie trixie-backports" in apt.sources_for("trixie-backports", stanzas)
