# SPDX-License-Identifier: GPL-2.0-only
"""A private apt: another suite's packages, downloaded without touching the system.

The archive, its keys and any proxy are taken from this machine's own apt configuration; only
the suite differs, and all of apt's state lives in one folder that can be thrown away.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from .inputs import DepsError

# A suite of Debian's main archive and its companions. Anything else in the machine's sources
# is a third party's and has no business here.
SUITE = re.compile(
    r"^(buster|bullseye|bookworm|trixie|forky|duke|oldoldstable|oldstable|stable|testing|unstable|sid)"
    r"(-updates|-security|-backports)?$"
)
COMPANIONS = ("", "-updates", "-security")
ONE_LINE_OPTIONS = {
    "signed-by": "Signed-By",
    "trusted": "Trusted",
    "check-valid-until": "Check-Valid-Until",
}
KEPT_FIELDS = ("Signed-By", "Trusted", "Check-Valid-Until")

DOWNLOADS = {
    "source": ("source", "--download-only", "--tar-only"),
    "packaging": ("source", "--download-only", "--diff-only"),
    "binary": ("download",),
}

# Retries are ours; no translations, no machine hooks, no unprivileged user who cannot
# enter the cache folder.
CONFIG = """\
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Update::Pre-Invoke;
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "0";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Acquire::AllowReleaseInfoChange "true";
Dir::State "{root}";
Dir::State::Lists "{root}/lists";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{root}/sources";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "{root}/none";
"""


def run(command: list[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, cwd=cwd, text=True, capture_output=True, check=False)
    except FileNotFoundError:
        raise DepsError(f"{command[0]} is not on this machine") from None


def complaints(text: str) -> str:
    """What apt itself calls an error or a warning, the first two."""
    lines = [line.strip() for line in text.splitlines() if line.startswith(("E:", "W:"))]
    return "\n".join(list(dict.fromkeys(lines))[:2]) or text.strip()[-400:]


def stanzas_of_deb822(text: str) -> list[dict[str, str]]:
    stanzas: list[dict[str, str]] = []
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for block in re.split(r"\n\s*\n", "\n".join(lines)):
        fields: dict[str, str] = {}
        key = ""
        for line in block.splitlines():
            if line[:1] in " \t" and key:
                fields[key] += "\n" + line
            elif ":" in line:
                key, value = line.split(":", 1)
                key = key.strip().title()
                fields[key] = value.strip()
        if fields.get("Enabled", "yes").lower() not in ("no", "false", "0"):
            stanzas.append(fields)
    return stanzas


def stanzas_of_lines(text: str) -> list[dict[str, str]]:
    stanzas: list[dict[str, str]] = []
    for line in text.splitlines():
        match = re.match(r"^\s*deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)", line)
        if not match:
            continue
        options, uri, suite, components = match.groups()
        fields = {"Types": "deb", "Uris": uri, "Suites": suite, "Components": components}
        for option in (options or "").split():
            key, _, value = option.partition("=")
            if key in ONE_LINE_OPTIONS:
                fields[ONE_LINE_OPTIONS[key]] = value.replace(",", " ")
        stanzas.append(fields)
    return stanzas


def machine_stanzas() -> list[dict[str, str]]:
    """The machine's sources of Debian's main archive."""
    shell = run(
        [
            "apt-config",
            "shell",
            "LIST",
            "Dir::Etc::sourcelist/f",
            "PARTS",
            "Dir::Etc::sourceparts/d",
        ]
    )
    named = dict(re.findall(r"^(LIST|PARTS)='(.*)'$", shell.stdout, re.M))
    files = [Path(named.get("LIST", "/etc/apt/sources.list"))]
    parts = Path(named.get("PARTS", "/etc/apt/sources.list.d"))
    if parts.is_dir():
        files += sorted(parts.iterdir())
    stanzas: list[dict[str, str]] = []
    for file in files:
        if file.suffix not in (".list", ".sources") or not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        stanzas += (stanzas_of_deb822 if file.suffix == ".sources" else stanzas_of_lines)(text)
    return [
        stanza
        for stanza in stanzas
        if "deb" in stanza.get("Types", "").split()
        and "main" in stanza.get("Components", "").split()
        and any(SUITE.match(suite) for suite in stanza.get("Suites", "").split())
    ]


def sources_for(suite: str, stanzas: list[dict[str, str]]) -> str:
    """The machine's stanzas turned to `suite`, each archive named once."""
    named, _, extra = suite.partition("-")
    blocks: dict[str, None] = {}
    for stanza in stanzas:
        suites = []
        for old in stanza["Suites"].split():
            match = SUITE.match(old)
            companion = (match.group(2) or "") if match else None
            if companion not in COMPANIONS or (named == "sid" and companion):
                continue
            suites.append(f"{named}{companion}")
            if extra and not companion:
                suites.append(suite)
        if suites:
            fields = {
                "Types": "deb deb-src",
                "URIs": stanza["Uris"],
                "Suites": " ".join(dict.fromkeys(suites)),
                "Components": "main",
                "Targets": "Packages Sources",
            } | {key: stanza[key] for key in KEPT_FIELDS if key in stanza}
            blocks["\n".join(f"{key}: {value}" for key, value in fields.items()) + "\n"] = None
    return "\n".join(blocks)


class PrivateApt:
    """apt-get for one suite, with its state under `root`."""

    def __init__(self, root: Path, suite: str) -> None:
        self.suite = suite
        self.root = root / suite
        self.complaint = ""
        stanzas = machine_stanzas()
        if not stanzas:
            raise DepsError("this machine's apt sources name no Debian archive")
        for folder in ("lists/partial", "cache/archives/partial", "sources", "none", "get"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / "status").touch()
        (self.root / "sources" / "debian.sources").write_text(sources_for(suite, stanzas))
        self.config = self.root / "apt.conf"
        self.config.write_text(CONFIG.format(root=self.root))

    def apt_get(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(["apt-get", "-q", "-c", str(self.config), *arguments], cwd=self.root / "get")

    def update(self) -> None:
        """Fetch the package lists. One archive that fails may not matter: the download tells."""
        result = self.apt_get("update")
        text = result.stdout + result.stderr
        if "NO_PUBKEY" in text or "is not signed" in text:
            raise DepsError(
                f"this machine's Debian keys do not know the suite {self.suite};\n"
                "as root: apt-get update && apt-get install --only-upgrade debian-archive-keyring"
            )
        self.complaint = complaints(text) if "Err:" in text or result.returncode else ""

    def get(self, *arguments: str) -> Path:
        """Run a download into an empty folder; returns the one file that came."""
        folder = self.root / "get"
        shutil.rmtree(folder)
        folder.mkdir()
        result = self.apt_get(*arguments)
        files = [file for file in folder.iterdir() if file.is_file()]
        if result.returncode or len(files) != 1:
            raise DepsError(self.complaint or complaints(result.stdout + result.stderr))
        return files[0]

    def source(self, package: str) -> Path:
        """The upstream tarball of a source package; apt checks it against the signed list."""
        return self.get(*DOWNLOADS["source"], package)

    def packaging(self, package: str) -> Path:
        """Debian's part of a source package: its patches."""
        return self.get(*DOWNLOADS["packaging"], package)

    def binary(self, package: str) -> Path:
        return self.get(*DOWNLOADS["binary"], package)

    def offered(self, package: str, kind: str) -> str:
        """The name of the file that such a download would bring."""
        result = self.apt_get(*DOWNLOADS[kind], "--print-uris", package)
        match = re.search(r"^'[^']+' (\S+) \d+", result.stdout, re.M)
        if not match:
            raise DepsError(self.complaint or complaints(result.stdout + result.stderr))
        return match.group(1)
