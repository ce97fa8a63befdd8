# SPDX-License-Identifier: GPL-2.0-only
"""The site of docs/: which names its API pages have, what is copied, which words find a page."""

import ast
import importlib.util
import re
import subprocess
import sys

import pytest
from peers import browser as browsers
from targets import ROOT

DOCS = ROOT / "docs"
PYTHON = ROOT / ".venv" / "bin" / "python"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built with warnings as errors, by the environment that `make docs` uses."""
    if not (ROOT / ".venv" / "docs.stamp").exists():
        pytest.skip("no Sphinx in .venv: make docs brings it")
    folder = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [PYTHON, "-m", "sphinx", "-W", "--keep-going", "-E", "-q", "-b", "html", DOCS, folder],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return folder


def public(tree, prefix):
    """Classes, functions, methods and properties of a stub, as anchors have them."""
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
            yield f"{prefix}.{node.name}"
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
                    yield f"{prefix}.{node.name}.{item.name}"


@pytest.mark.timeout(300)
def test_every_name_of_the_stub_has_its_place(site):
    anchors = set()
    for path in site.glob("api-*.html"):
        anchors |= set(re.findall(r'id="(pymongoose\.[\w.]+)"', path.read_text()))
    for path in (ROOT / "typings" / "pymongoose").glob("*.pyi"):
        prefix = "pymongoose" if path.stem == "__init__" else f"pymongoose.{path.stem}"
        assert set(public(ast.parse(path.read_text()), prefix)) <= anchors
    # The search knows them as objects.
    index = (site / "searchindex.js").read_text()
    assert "Connection.http_stream_body" in index and "mqtt.MqttSession.publish" in index


@pytest.mark.timeout(300)
def test_signatures_are_pythons(site):
    """Straight quotation marks everywhere, types, and what is raised."""
    for path in site.glob("*.html"):
        assert not re.search("b[\u201c\u201d]", path.read_text()), path.name
    page = re.sub(r"<[^>]+>", "", (site / "api-connection.html").read_text())
    assert "reply(status_code: int, body: Data = b'', headers: Headers | None = None)" in page
    assert "Raises ValueError for a status outside 200 to 999" in page.replace("\n", " ")
    assert "never" not in re.search(r"class pymongoose\.Connection.*", page)[0]
    page = re.sub(r"<[^>]+>", "", (site / "api-client.html").read_text())
    assert "get(url: str, **kwargs: OnceOptions) " in page
    assert re.search(r"class pymongoose\.client\.Options\b.*?\n\s*proxies: Mapping", page, re.S)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "words, name",
    [
        ("static files", "http"),
        ("redirect", "recipes"),
        ("captive portal", "recipes"),
        ("systemd", "deployment"),
        ("address already in use", "troubleshooting"),
    ],
)
def test_guides_are_found_by_their_words(site, words, name):
    assert (
        words
        in re.search(
            r'<meta content="([^"]*)" name="keywords"', (site / f"{name}.html").read_text()
        )[1]
    )
    index = re.sub(r"<[^>]+>", "", (site / "genindex.html").read_text())
    assert words in index


@pytest.mark.timeout(300)
def test_front_page(site):
    page = (site / "index.html").read_text()
    assert "highlight-python" in page and "_images/dashboard.png" in page
    assert "copybutton.js" in page


@pytest.mark.timeout(600)
def test_pages_in_a_browser(site, tmp_path):
    """In both themes and three sizes: nothing hangs over, axe-core is content; pictures for the eye."""
    artifacts = ROOT / "build" / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    with browsers.started(tmp_path) as browser:
        for name in ("index", "api-connection", "troubleshooting"):
            for theme in ("light", "dark"):
                browser.theme(theme)
                for width, height in ((390, 844), (1280, 800), (1920, 1080)):
                    browser.size(width, height)
                    browser.get((site / f"{name}.html").as_uri())
                    wide = browser.run("document.documentElement.scrollWidth")
                    assert wide <= width, (name, width)
                    browser.save_screenshot(str(artifacts / f"docs-{name}-{width}-{theme}.png"))
                    assert browser.faults() == [], (name, theme, width)


def test_words_belong_to_pages():
    spec = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    conf = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(conf)
    sys.path[:] = path
    assert set(conf.WORDS) <= {page.stem for page in DOCS.glob("*.md")}
