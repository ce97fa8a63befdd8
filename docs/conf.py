# SPDX-License-Identifier: GPL-2.0-only
"""How Sphinx makes the site of these pages: `make docs` writes build/docs/."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
VERSION = re.search(r'PMG_VERSION "([^"]+)"', (HERE.parent / "shared/pmg_version.h").read_text())

project = "pymongoose"
author = "the pymongoose developers"
copyright = author
release = VERSION[1]

sys.path.insert(0, str(HERE / "ext"))
extensions = ["myst_parser", "sphinx_copybutton", "stub_pages"]
# Quotation marks in signatures and in b"" are Python's.
smartquotes = False
# Links to a heading work as they do where the pages are read as plain Markdown.
myst_heading_anchors = 4
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = f"pymongoose {release}"
html_show_sourcelink = False
html_copy_source = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "github-dark"
nitpicky = True
# Of Python's own library no inventory is at hand.
nitpick_ignore_regex = [
    ("py:class", r"(str|int|bool|bytes|float|dict|list|tuple|type|object|None|Any|\.\.\.)"),
    ("py:class", r"(bytearray|memoryview|BaseException|Exception|TracebackType|RuntimeError)"),
    ("py:class", r"(Callable|Iterable|PathLike|T|Txt)"),
    ("py:class", r"(App|Fields|File)"),  # of pymongoose.web, whose page is web.md
    ("py:class", r"Jar"),  # what Session.cookies is
]
# What a reader copies is what is typed, without the shell's prompt and what it prints.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
linkcheck_anchors = False

# What readers look for, and the page that has it: for the search and the index. The pages are read
# without Sphinx, too, so this does not stand in them.
WORDS = {
    "http": "static files; serve a folder; download; server-sent events; event stream; chunked; ETag",
    "client": "requests; urequests; get; post; fetch; session; cookies; proxy; download",
    "http-client": "requests; download a file; REST client; fetch",
    "recipes": "redirect; captive portal; CORS; login; password; basic authentication; cookie; "
    "static files; type hints; mypy",
    "uploads": "upload a file; firmware update; large body; 413; multipart",
    "websocket": "chat; push; live page; ping",
    "forms": "form; multipart; query string; file name",
    "tcp-udp": "socket; port; unix socket; datagram; back-pressure; multicast",
    "tls": "https; certificate; SSL; mTLS; client certificate",
    "deployment": "systemd; nginx; reverse proxy; socket activation; workers; Let's Encrypt; watchdog",
    "troubleshooting": "does not work; error message; address already in use; timeout",
    "memory": "out of memory; MemoryError; heap; fragmentation; RAM",
    "choosing": "which board; Raspberry Pi Pico; ESP32; CPython or MicroPython",
    "threads-and-signals": "thread; interrupt; Ctrl-C; KeyboardInterrupt; fork; workers",
    "mdns": "zeroconf; Bonjour; .local; service discovery",
    "sntp": "NTP; clock; time of day",
    "mqtt": "broker; publish; subscribe; home automation",
    "modbus": "PLC; registers; coils",
    "micropython": "firmware; freeze; custom build; soft reset",
    "esp32": "Wi-Fi; esptool; flash",
    "rp2040": "Pico; UF2; BOOTSEL; PPP",
    "aio": "async; await; coroutine; event loop; uvloop; trio; uasyncio",
    "timer": "periodic; interval; delay; sleep",
    "json": "parse; JSON path",
    "jwt": "token; login; HS256",
    "rpc": "JSON-RPC; remote call",
    "log": "debug; trace; logging",
    "limits": "timeout; maximum; denial of service; keep-alive",
    "web": "routes; framework; Flask; REST; cookie; session; login; CSRF; CORS; template; WSGI",
    "coming-from-flask": "routes; framework; Bottle; WSGI",
    "coming-from-microdot": "routes; framework",
}


def add_words(app, name, source):
    """Meta words, which the search reads, and entries of the index."""
    if words := WORDS.get(name):
        entries = "".join(f"   single: {word}\n" for word in words.split("; "))
        meta = f'---\nmyst:\n  html_meta:\n    keywords: "{words.replace(";", ",")}"\n---\n\n'
        title, _, text = source[0].partition("\n")
        source[0] = f"{meta}{title}\n\n```{{eval-rst}}\n.. index::\n{entries}```\n{text}"


def plain_names_of_files(app, name, source):
    """Files of the repository that are no pages of the site keep their names without a link."""
    source[0] = re.sub(r"\[([^\]]*)\]\(\.\./[^)]*\)", r"\1", source[0])


def add_contents(app, name, source):
    """The navigation: the tables of index.md, one part for each heading."""
    if name != "index":
        return
    parts = []
    for part in re.split(r"^## ", source[0], flags=re.MULTILINE)[1:]:
        pages = re.findall(r"^\| \[[^\]]*\]\((\w[\w-]*)\.md\)", part, re.MULTILINE)
        if pages:
            caption = part.split("\n", 1)[0]
            parts.append(
                f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```\n"
            )
    source[0] += "\n" + "\n".join(parts)


# What Sphinx and the theme leave out for who reads with a keyboard or by ear.
ACCESSIBLE = {
    'role="heading">': 'role="heading" aria-level="2">',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Pages">',
    '<aside class="toc-drawer': '<aside aria-label="On this page" class="toc-drawer',
    '<div class="table-wrapper ': '<div tabindex="0" class="table-wrapper ',
    '<div class="highlight"><pre>': '<div class="highlight"><pre tabindex="0">',
}


def make_accessible(app, exception):
    if exception or app.builder.name != "html":
        return
    for path in Path(app.outdir).glob("*.html"):
        text = path.read_text(encoding="utf-8")
        for old, new in ACCESSIBLE.items():
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


def setup(app):
    app.connect("source-read", plain_names_of_files)
    app.connect("source-read", add_contents)
    app.connect("source-read", add_words)
    app.connect("build-finished", make_accessible)
    return {"parallel_read_safe": True}
