# SPDX-License-Identifier: GPL-2.0-only
"""What `make release` writes by itself: wheels, archives, metadata. `make release-ci` builds and installs them."""

import base64
import csv
import hashlib
import importlib.metadata
import re
import tarfile
import zipfile

import pytest
import release
import sdist_backend
import wheel_file
from targets import ROOT

PROJECT = (ROOT / "pyproject.toml").read_text()
INFO = b"Metadata-Version: 2.4\nName: some-thing\nVersion: 1.2\n"


def test_entry_points_are_those_of_the_project():
    found = wheel_file.entry_points(ROOT / "pyproject.toml")
    assert found == "[pytest11]\npymongoose.testing = pytest_pymongoose\n"


def test_the_version_stands_in_one_place(package):
    version = re.search(r'PMG_VERSION "(.+)"', (ROOT / "shared/pmg_version.h").read_text())[1]
    assert importlib.metadata.version("pymongoose-net") == version
    assert 'dynamic = ["version"]' in PROJECT and not re.search(r"^version =", PROJECT, re.M)


@pytest.mark.parametrize("epoch", ["1700000000", "5"])
def test_a_wheel_is_what_its_record_says(tmp_path, monkeypatch, epoch):
    """And the same bytes each time. A day before 1980 is one that a zip file can say."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    members = {"b/x.py": b"1\n", "a.so": b"\x7fELF"}
    wheels = []
    for folder in ("one", "two"):
        name = wheel_file.write(
            tmp_path / folder, "cp311-cp311-any", INFO, members, {"LICENSE": b"free\n"}
        )
        wheels.append(tmp_path / folder / name)
        members = dict(reversed(members.items()))
    assert wheels[0].name == "some_thing-1.2-cp311-cp311-any.whl"
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    with zipfile.ZipFile(wheels[0]) as archive:
        record = archive.read("some_thing-1.2.dist-info/RECORD").decode()
        rows = {row[0]: row[1:] for row in csv.reader(record.splitlines())}
        assert set(rows) == set(archive.namelist())
        for name, (digest, size) in rows.items():
            if digest:
                data = archive.read(name)
                own = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
                assert (digest, size) == (f"sha256={own}", str(len(data)))


def test_an_archive_is_the_same_bytes_each_time(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    members = {"t/b": (b"b", 0o755), "t/a": (b"a", 0o644)}
    wheel_file.tar_of(tmp_path / "one.tar.gz", members)
    wheel_file.tar_of(tmp_path / "two.tar.gz", dict(reversed(members.items())))
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "one.tar.gz") as archive:
        assert [(each.name, each.mode, each.mtime, each.uname) for each in archive] == [
            ("t/a", 0o644, 1700000000, ""),
            ("t/b", 0o755, 1700000000, ""),
        ]


def test_the_distribution_packs_what_the_project_does(package):
    """Its backend reads no TOML: the folders that it names must be those of pyproject.toml."""
    table = PROJECT.split("[tool.scikit-build.wheel.packages]")[1].split("[")[0]
    named = dict(re.findall(r'"(.+)" = "(.+)"', table))
    packed = sdist_backend.members(ROOT / "_pymongoose.so")
    for package, folder in named.items():
        for path in (ROOT / folder).rglob("*.py"):
            if not path.name.endswith(sdist_backend.LEFT_OUT):
                assert packed[f"{package}/{path.relative_to(ROOT / folder).as_posix()}"] == path
    assert "pymongoose/py.typed" in packed and "pymongoose/__init__.pyi" in packed
    installed = {
        str(path)
        for path in importlib.metadata.files("pymongoose-net")
        if path.suffix in (".py", ".pyi", ".typed")
    }
    assert installed == {name for name in packed if not name.endswith(".so")}


def test_wheels_of_another_distribution_are_left_out(tmp_path, monkeypatch, capsys):
    """A release takes what `make wheels` built, if that was from the same source distribution."""
    monkeypatch.setattr(release, "ROOT", tmp_path)
    sdist, out, folder = tmp_path / "x.tar.gz", tmp_path / "out", tmp_path / "build/wheels"
    sdist.write_bytes(b"one")
    out.mkdir()
    assert release.of_chroots(sdist, out) == []
    folder.mkdir(parents=True)
    wheel = "pymongoose_net-1-cp313-cp313-manylinux_2_34_x86_64.whl"
    (folder / wheel).write_bytes(b"wheel")
    (folder / "x.tar.gz").write_bytes(b"two")
    assert release.of_chroots(sdist, out) == [] and list(out.iterdir()) == []
    assert "is left out: make wheels" in capsys.readouterr().err
    (folder / "x.tar.gz").write_bytes(b"one")
    assert release.of_chroots(sdist, out) == [out / wheel]
    assert (out / wheel).read_bytes() == b"wheel"


def test_a_checkout_is_no_distribution(monkeypatch):
    with pytest.raises(SystemExit, match=r"cpython/_pymongoose\.c is missing: .* fetch it again"):
        sdist_backend.check()
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(SystemExit, match="within WSL"):
        sdist_backend.check()


def test_headers_that_are_not_there_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(sdist_backend, "NEEDED", ())
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(SystemExit, match=r"no Python\.h in .*(.|\n)*libpython3-dev"):
        sdist_backend.check()


def test_a_compiler_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("CC", "no-such-cc -m64")
    with pytest.raises(SystemExit, match="no C compiler 'no-such-cc'(.|\n)*apt install gcc"):
        sdist_backend.compiler()


@pytest.mark.parametrize(
    ("kernel", "tag"),
    [("x86_64", "i686"), ("aarch64", "armv7l"), ("armv7l", "armv7l"), ("i686", "i686")],
)
def test_wheel_of_a_python_of_32_bits_on_a_kernel_of_64(monkeypatch, kernel, tag):
    monkeypatch.setattr(sdist_backend.sysconfig, "get_platform", lambda: f"linux-{kernel}")
    monkeypatch.setattr(sdist_backend.sys, "maxsize", (1 << 31) - 1)
    assert sdist_backend.platform_tag() == f"linux_{tag}"
    monkeypatch.setattr(sdist_backend.sys, "maxsize", (1 << 63) - 1)
    assert sdist_backend.platform_tag() == f"linux_{kernel}"
