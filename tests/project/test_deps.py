# SPDX-License-Identifier: GPL-2.0-only
"""tools/deps/deps.py: each way in which an input can be wrong or missing says so, and path overrides.

None of these tests needs a network: where one must be absent, apt and pip are pointed at a
closed port of this machine.
"""

import hashlib
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
    clean = {k: v for k, v in os.environ.items() if k not in (*VARIABLES, inputs.ALLOW_HASH)}
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
    for name in ("py", "ports/unix", "mpy-cross", "lib/mbedtls", "extmod/mbedtls"):
        (folder / name).mkdir(parents=True)
    version = "".join(
        f"#define MICROPY_VERSION_{part} {value}\n"
        for part, value in zip(
            ("MAJOR", "MINOR", "MICRO"), inputs.MICROPYTHON_VERSION.split("."), strict=True
        )
    )
    (folder / "py/mpconfig.h").write_text(version)
    for name in ("ports/unix/Makefile", "mpy-cross/Makefile", "extmod/mbedtls/config.h"):
        (folder / name).write_text("# one\n")
    return folder


@pytest.fixture
def mbedtls(tmp_path):
    folder = tmp_path / "mbedtls"
    (folder / "include/mbedtls").mkdir(parents=True)
    (folder / "library").mkdir()
    version = '#define MBEDTLS_VERSION_STRING         "3.6.99"\n'
    (folder / "include/mbedtls/build_info.h").write_text(version)
    for name in ("ssl_tls.c", "version_features.c"):
        (folder / "library" / name).touch()
    return folder


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


def test_wrong_versions_are_refused(environment, micropython, mbedtls):
    (micropython / "py/mpconfig.h").write_text(
        "#define MICROPY_VERSION_MAJOR 1\n#define MICROPY_VERSION_MINOR 19\n"
        "#define MICROPY_VERSION_MICRO 1\n"
    )
    result = deps(environment | {"MICROPYTHON_DIR": str(micropython)}, "micropython")
    assert "it is MicroPython 1.19.1; 1.25.0 is needed" in result.stderr
    header = mbedtls / "include/mbedtls/build_info.h"
    header.write_text('#define MBEDTLS_VERSION_STRING "2.28.3"\n')
    result = deps(environment | {"MBEDTLS_DIR": str(mbedtls)}, "mbedtls")
    assert "it is Mbed TLS 2.28.3; 3.6.x is needed" in result.stderr


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
    (micropython / "lib/mbedtls/library").mkdir()
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
    (micropython / "lib/tinyusb/src").mkdir(parents=True)  # a checkout's own
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
