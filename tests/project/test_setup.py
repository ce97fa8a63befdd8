# SPDX-License-Identifier: GPL-2.0-only
"""The way in: what make targets say before they fetch anything, how long steps are shown, make help."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys

import pick
import pytest
from targets import ROOT

STEP = str(ROOT / "tools" / "deps" / "step.sh")
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.fixture
def make(tmp_path):
    """Runs make with a cache of its own, which must not even be begun."""
    names = (
        "TARGET",
        "BOARD",
        "PORT",
        "K",
        "PYTHON",
        "MICROPYTHON",
        "MICROPYTHON_DIR",
        "IDF_PATH",
        "MAKEFLAGS",
        "MAKELEVEL",
        "V",
    )
    environment = {key: value for key, value in os.environ.items() if key not in names}
    environment["PYMONGOOSE_CACHE"] = str(tmp_path / "cache")

    def run(*arguments):
        done = subprocess.run(
            ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert not (tmp_path / "cache").exists()
        return done

    return run


BAD = [
    (["tests"], "tests is a folder; make test runs the tests"),
    (["test", "TARGET=unix,cpython"], "spaces are between them"),
    (["demo", "TARGET=amiga"], "TARGET=amiga: demo knows unix, cpython, pico"),
    (["demo", "TARGET=unix cpython"], "one target"),
    (["demo", "TARGET=/dev/ttyNONE"], "no serial port /dev/ttyNONE"),
    (["demo", "PORT=x"], "PORT=x is no port"),
    (["demo", "PORT=65536"], "PORT=65536 is no port"),
    (["pico", "PORT=-1"], "PORT=-1 is no port"),
    (["test", "TARGET=cpython amiga"], "TARGET=amiga: known are cpython, unix, pico"),
    (["demo", "MICROPYTHON=nonsense"], "MICROPYTHON=nonsense: it is next, or left out"),
    (["soak", "TARGET=amiga"], "TARGET=amiga"),
    (["firmware", "BOARD=PICO"], "no board PICO; BOARD= one of: ESP32_GENERIC"),
    (["flash", "BOARD=PICO"], "no board PICO"),
    (["firmware", "BOARD=ESP32_X"], "no board ESP32_X"),
    (["flash", "BOARD=ESP32_X"], "no board ESP32_X"),
    (["firmware", "BOARD=ESP32_GENERIC", "VARIANT=X"], "no variant X"),
    (["firmware", "BOARD=ESP32_GENERIC"], "IDF_PATH is not set"),
    (["firmware", "BOARD=RPI_PICO_W"], "set MICROPYTHON_DIR="),
    (["cpython", "PYTHON=/nowhere/python3"], "PYTHON=/nowhere/python3 is not there"),
    (["cpython", "PYTHON=nowhere"], "PYTHON=nowhere is not there"),
    (["cpython", "PYTHON=/etc/passwd"], "PYTHON=/etc/passwd is no Python that runs"),
    (["unix", "PYTHON=/bin/true"], "PYTHON=/bin/true is no Python that runs"),
    (["unix", "PYTHON=/usr"], "PYTHON=/usr is no Python that runs"),
    (["abuse", "TARGET=pico"], "TARGET=pico: abuse knows cpython unix"),
    (["soak", "TARGET=/dev/null"], "TARGET=/dev/null: soak knows cpython unix pico"),
    (["test-hil", "TARGET=unix amiga"], "TARGET=amiga: known are cpython, unix, pico"),
    (["test", "TARGET=a1b"], "TARGET=a1b: known are"),
    (["firmware-next", "BOARD=PICO"], "no board PICO"),
    (["flash", "DEVICE=/nowhere"], "DEVICE=/nowhere is not there: is the board plugged in?"),
    (["pico", "PORT=0"], "PORT=0 is no port for pico"),
    (["test", "K=mqtt and"], "K=mqtt and picks nothing: it is words joined by and, or, not"),
    (["sanitize", 'K="'], 'K=" picks nothing: it is words joined by'),
    (["test-esp32", "K=tls(1)"], "K=tls(1) picks nothing: it is words joined by"),
]
#: That reach a build script of ours with each goal that runs one.
GOALS = """demo test cpython unix firmware flash size pico rig deps wheel wheels release release-ci bench figures
picture docs docs-links check format test-long test-hil sanitize soak fuzz countdown abuse check-esp32
check-boards test-esp32 cpython-poll unix-next firmware-next pico-firmware""".split()


@pytest.mark.parametrize("arguments, words", BAD, ids=[" ".join(each[0]) for each in BAD])
def test_wrong_names_are_told_first(make, arguments, words):
    run = make(*arguments)
    assert run.returncode == 2
    assert words in run.stderr.splitlines()[0], run.stderr


@pytest.mark.parametrize("goal", ["test", "test-long", "sanitize", "test-esp32"])
def test_k_that_picks_nothing_is_told_first(make, goal):
    word = 3 * "qjx"
    run = make(goal, f"K=mqtt and {word}")
    assert f"picks nothing: no test's name or file has {word};" in run.stderr.splitlines()[0]


@pytest.mark.parametrize("goal", GOALS)
def test_a_wrong_python_is_told_first(make, goal):
    run = make(goal, "PYTHON=/nowhere")
    first, *_ = run.stderr.splitlines()
    assert run.returncode == 2 and not run.stdout
    assert first == "make: PYTHON=/nowhere is not there: name a Python 3.10 or newer"


def test_each_goal_is_asked_for_its_python():
    phony = set(" ".join(re.findall(r"^\.PHONY: (.*)", MAKEFILE, re.M)).split())
    folders = set(re.search(r"^\.PHONY: (tests .*)", MAKEFILE, re.M)[1].split())
    rest = {name for name in phony - folders if not name.startswith("apt-")}
    assert rest - set(GOALS) == {"help", "clean", "ready"}  # which run no Python


@pytest.mark.parametrize(
    "k",
    [
        "websocket",
        "not qjx",
        "tls or qjx",
        "not (qjx and qjx)",
        "test_setup.py",
        "test_tcp[1-2]",
        "None",
        "MG_EV_POLL",
    ],
)
def test_what_may_pick_tests_is_left_to_pytest(k):
    """The word that no test has is made here, since this file is searched, too."""
    assert pick.refusal(k.replace("qjx", 3 * "qjx")) == ""


def test_an_environment_without_a_home():
    run = subprocess.run(
        ["make", "cpython", "PYTHON=/nowhere/python3"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert "PYTHON=/nowhere/python3 is not there" in run.stderr.splitlines()[0], run.stderr


def test_flash_of_a_built_esp32_needs_no_idf():
    run = ready("flash", BOARD="ESP32_GENERIC", IDF_PATH="", MICROPYTHON_DIR="")
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("goal", ["demo", "pico"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_taken_port_names_another(make, goal, host):
    with socket.create_server((host, 0)) as taken:
        port = taken.getsockname()[1]
        run = make(goal, f"PORT={port}")
    assert run.returncode == 2
    found = re.match(rf"make: port {port} is taken .*: make {goal} PORT=(\d+)\n", run.stderr)
    assert found and 0 < int(found[1]) < 65536 and int(found[1]) != port, run.stderr


def fakes(folder, **programs):
    """Programs of our own in front of PATH."""
    folder.mkdir(exist_ok=True)
    for name, text in programs.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_an_admin_is_asked_once(tmp_path):
    """Nothing is installed here, it seems, and nobody may install: one line has it all."""
    environment = fakes(
        tmp_path / "bin", id="echo 1000", sudo="exit 1", dpkg_query="exit 1", apt_get="exit 9"
    )
    run = subprocess.run(
        [ROOT / "tools" / "deps" / "apt-needs.sh", "build", "test", "pico", "rig"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    (line,) = [line for line in run.stderr.splitlines() if "apt-get install" in line]
    assert {"python3-venv", "fonts-dejavu-core", "libslirp0"} <= set(line.split())


def test_lists_and_packages_come_once(tmp_path):
    """For all groups of a goal there is one update at most, and one installation."""
    log = tmp_path / "log"
    environment = fakes(
        tmp_path / "bin", id="echo 0", dpkg_query="exit 1", apt_get=f'echo "$*" >>{log}'
    )
    environment["http_proxy"] = "http://127.0.0.1:9"  # a network is not asked for
    run = [ROOT / "tools" / "deps" / "apt-needs.sh", "build", "test", "pico", "rig"]
    subprocess.run(run, env=environment, check=True, capture_output=True)
    calls = [line for line in log.read_text().splitlines() if "--assume-no" not in line]
    assert sum(line.endswith(" update") for line in calls) <= 1
    assert sum(" install " in line for line in calls) == 1


@pytest.mark.parametrize("goal", ["test", "test-long", "firmware", "pico", "check", "bench"])
def test_needs_are_asked_for_in_one_go(goal):
    """make calls apt-needs.sh nowhere but in ready.sh, with all groups of the goal."""
    run = subprocess.run(
        ["make", "-n", goal, "TARGET=cpython unix pico"], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    (line,) = [line for line in run.stdout.splitlines() if "ready.sh" in line]
    assert "apt-needs" not in run.stdout
    wanted = {"test": "build pico rig test", "test-long": "build pico rig test"}
    wanted |= {"firmware": "build pico", "pico": "build pico rig"}
    wanted |= {"check": "build check", "bench": "bench build"}
    assert f'"{wanted[goal]}"' in line, line


def ready(goals, **environment):
    return subprocess.run(
        [ROOT / "tools" / "deps" / "ready.sh", goals, "build", ""],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def test_full_disk(tmp_path):
    """It is told before anything is fetched, with what is free and what is needed."""
    environment = fakes(
        tmp_path / "bin", df="printf 'head\\n/dev/x 100 88 12288 99%% /\\n'", apt_get="exit 9"
    )
    run = ready("unix", **environment)
    assert run.returncode == 2
    assert re.fullmatch(
        r"make: 12 MB are free .* about \d+ MB are needed: make room, .*\n", run.stderr
    )


@pytest.fixture
def bare(tmp_path):
    """ready.sh in a checkout without .venv, with a Python that has no ensurepip, nor a pip; and what it brings."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    (tmp_path / "lacks.py").write_text("""
import importlib.util as util, runpy, sys

find = util.find_spec
util.find_spec = lambda name, *more: None if name in ("pip", "ensurepip") else find(name, *more)
sys.modules["pip"] = sys.modules["ensurepip"] = None
if sys.argv[1] == "-c":
    exec(sys.argv[2])
else:
    del sys.argv[0]
    sys.path.insert(0, sys.argv[0].rpartition("/")[0])
    runpy.run_path(sys.argv[0], run_name="__main__")
""")
    environment = fakes(
        tmp_path / "bin",
        python_bare=f'exec {sys.executable} {tmp_path}/lacks.py "$@"',
        apt_get="exit 9",
    )
    environment |= {"PYMONGOOSE_CACHE": str(tmp_path / "cache"), "PYTHON": "python-bare"}
    for name in (
        "MONGOOSE_DIR",
        "MICROPYTHON_DIR",
        "PICO_SDK_PATH",
        "MICROPYTHON",
        "K",
        "PORT",
        "BOARD",
    ):
        environment.pop(name, None)

    def run(goals, sources="", **more):
        command = [tmp_path / "tools/deps/ready.sh", goals, "", sources]
        run = subprocess.run(command, env=environment | more, capture_output=True, text=True)
        assert not (tmp_path / "cache").exists()
        return run

    return run


@pytest.mark.parametrize("goals, named", [("cpython", ""), ("unix docs", ""), ("demo", "cpython")])
def test_python_without_venv(bare, goals, named):
    run = bare(goals, TARGET=named)
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert "cannot make a venv" in line and "PYTHON= names another" in line


@pytest.mark.parametrize("named", ["", "unix"])
def test_the_demo_on_unix_wants_no_venv(bare, named):
    run = bare("demo", TARGET=named, PORT="0")
    assert (run.returncode, run.stderr) == (0, "")


def test_a_pip_is_wanted_for_sources_alone(bare, tmp_path):
    """What apt brings wants none, nor do folders of one's own."""
    run = bare("unix", "mongoose")
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert "has no pip, which brings Mongoose, and no ensurepip" in line and "PYTHON= names" in line
    run = bare("unix", "mongoose", MONGOOSE_DIR=str(tmp_path), MICROPYTHON_DIR=str(tmp_path))
    assert (run.returncode, run.stderr) == (0, "")


def test_old_python(tmp_path):
    """The check itself runs there."""
    environment = fakes(
        tmp_path / "bin",
        python_old=f"""exec {sys.executable} -c 'import sys; sys.version_info = (3, 9)
exec(sys.argv[1])' "$2" """,
    )
    run = ready("unix", PATH=environment["PATH"], PYTHON=str(tmp_path / "bin" / "python-old"))
    assert run.returncode == 2
    assert "is Python 3.9; 3.10 or newer is needed" in run.stderr


# ---- The network -------------------------------------------------------------------------------

NETWORK = str(ROOT / "tools" / "deps" / "network.sh")
NO_NETWORK = ["unshare", "--map-root-user", "--net"]
alone = pytest.mark.skipif(
    subprocess.run([*NO_NETWORK, "true"], stderr=subprocess.DEVNULL).returncode != 0,
    reason="no network of one's own may be had here",
)


def network(*command, home, **environment):
    """As on a machine where nothing is set up for pip and npm."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home)} | environment
    environment = {"PIP_CONFIG_FILE": os.devnull} | environment
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{}/simple", "http://user:key@127.0.0.1:{}"])
def test_network_that_is_there(tmp_path, url):
    with socket.create_server(("127.0.0.1", 0)) as index:
        url = url.format(index.getsockname()[1])
        run = network(NETWORK, "pip", "thing", home=tmp_path, PIP_INDEX_URL=url)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_index_that_is_not_reached(tmp_path):
    """The host and the reason are named, and what to do."""
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9/simple\n")
    run = network(
        NETWORK, "pip", "thing", home=tmp_path, PIP_CONFIG_FILE=str(tmp_path / "pip.conf")
    )
    assert run.returncode == 1
    first, second = run.stderr.splitlines()
    assert first == "thing: no network: 127.0.0.1 is not reached (Connection refused)"
    assert second.startswith("thing: run make again when it is; it goes on from here.")


@alone
@pytest.mark.parametrize("kind", ["pip", "apt"])
def test_machine_without_a_network(tmp_path, kind):
    run = network(*NO_NETWORK, NETWORK, kind, "thing", home=tmp_path)
    assert run.returncode == 1
    assert re.match(r"thing: no network: \S+ is not reached \(.+\)\n", run.stderr), run.stderr


@alone
@pytest.mark.parametrize(
    "own",
    [
        {"https_proxy": "http://127.0.0.1:9"},
        {"PIP_PROXY": "http://127.0.0.1:9"},
        {"PIP_INDEX_URL": "file:///packages"},
        {"PIP_NO_INDEX": "1"},
        {"PIP_FIND_LINKS": "/packages"},
    ],
    ids=lambda own: next(iter(own)),
)
def test_own_ways_to_packages_are_not_judged(tmp_path, own):
    run = network(*NO_NETWORK, NETWORK, "pip", "thing", home=tmp_path, **own)
    assert (run.returncode, run.stderr) == (0, "")


@alone
def test_network_is_asked_before_apt(tmp_path):
    """No list and no package is tried."""
    environment = fakes(
        tmp_path / "bin", id="echo 0", dpkg_query="exit 1", apt_get=f"echo $* >>{tmp_path}/calls"
    )
    needs = ROOT / "tools" / "deps" / "apt-needs.sh"
    run = network(*NO_NETWORK, needs, "build", home=tmp_path, PATH=environment["PATH"])
    assert run.returncode == 1
    assert "apt-needs: no network: " in run.stderr and "goes on from here" in run.stderr
    assert "--assume-no" in (tmp_path / "calls").read_text()
    assert not re.search("--yes|update", (tmp_path / "calls").read_text())


@alone
def test_network_is_asked_before_pip_and_sources(tmp_path):
    deps = [sys.executable, str(ROOT / "tools" / "deps" / "deps.py"), "mongoose", "uplot"]
    run = network(*NO_NETWORK, *deps, home=tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith("deps: no network: pypi.org is not reached (")
    assert run.stderr.count("error:") == 1 and "MONGOOSE_DIR=/path" in run.stderr


def test_lists_that_do_not_come(tmp_path):
    """apt fails all the same: what to do, and no further attempt."""
    said = "E: Could not resolve host; Temporary failure resolving"
    environment = fakes(
        tmp_path / "bin", id="echo 0", dpkg_query="exit 1", apt_get=f'echo "{said}" >&2; exit 100'
    )
    # Whether this machine has a network does not matter here.
    environment["http_proxy"] = "http://127.0.0.1:9"
    run = subprocess.run(
        [ROOT / "tools" / "deps" / "apt-needs.sh", "build"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert "no network" in run.stderr and "goes on from here" in run.stderr


# ---- Steps -------------------------------------------------------------------------------------


def step(tmp_path, command, is_short=True, **environment):
    """Of a short one the clock stands still, however long a busy machine takes for it."""
    path = os.environ["PATH"]
    if is_short:
        path = f"{tmp_path}:{path}"
        waits = f"while kill -0 $PPID; do {shutil.which('sleep')} 1; done"
        for name, text in (("date", "echo 0"), ("sleep", waits)):
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
    return subprocess.run(
        [STEP, str(tmp_path / "log"), "thing: making it (a while)", "sh", "-c", command],
        env={"PATH": path} | environment,
        capture_output=True,
        text=True,
    )


def test_short_step_is_silent(tmp_path):
    run = step(tmp_path, "echo out; echo err >&2")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert (tmp_path / "log").read_text() == "out\nerr\n"


def test_long_step_says_what_it_does(tmp_path):
    run = step(tmp_path, "echo CC file.c; sleep 3.5", is_short=False)
    first, last = run.stderr.splitlines()
    assert run.returncode == 0
    assert first == "thing: making it (a while)" and re.fullmatch(r"  done in \d+ s", last)


def test_failed_step_shows_the_errors_and_the_log(tmp_path):
    run = step(tmp_path, "echo CC a.c; echo 'a.c:1: error: no such thing'; exit 3")
    assert run.returncode == 3
    assert run.stderr == (
        f"a.c:1: error: no such thing\nthing: failed; all of it: {tmp_path / 'log'}\n"
    )


@pytest.mark.parametrize(
    "said, words",
    [
        ("cannot write x: No space left on device", "the disk is full"),
        ("Temporary failure resolving 'archive.example'", "no network"),
        ("Failed to establish a new connection: [Errno 111]", "no network"),
    ],
)
def test_failed_step_says_what_to_do(tmp_path, said, words):
    run = step(tmp_path, f'echo "{said}"; exit 1')
    assert f"thing: {words}" in run.stderr and "goes on" in run.stderr


def test_what_is_too_large_for_a_chip_is_told_with_its_size(tmp_path):
    """A linker has it in another line than its error."""
    run = step(
        tmp_path,
        'echo "ld: region \\`RAM\' overflowed by 1234 bytes"; '
        "echo 'collect2: error: ld returned 1 exit status'; exit 1",
    )
    assert "region `RAM' overflowed by 1234 bytes" in run.stderr
    assert "thing: too large for the chip: leave features out, docs/size.md" in run.stderr


def test_verbose_step(tmp_path):
    run = step(tmp_path, "echo one; exit 4", VERBOSE="1")
    assert (run.returncode, run.stderr) == (4, "thing: making it (a while)\none\n")
    assert not (tmp_path / "log").exists()


def test_interrupted_step_ends(tmp_path):
    """Ctrl-C reaches the command, and neither it nor the teller stays."""
    command = [STEP, str(tmp_path / "log"), "thing: x", "sh", "-c", "echo $$; exec sleep 600"]
    started = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "log").exists() or not (pid := (tmp_path / "log").read_text().strip()):
        assert started.poll() is None
    os.killpg(started.pid, signal.SIGINT)
    assert started.wait() in (130, -signal.SIGINT)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    started.stderr.read()  # ends when nobody holds it any more


# ---- Help --------------------------------------------------------------------------------------


def test_help():
    """It fits 100 columns, has every target with a description, and the everyday ones first."""
    run = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True)
    lines = run.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    shown = [line.split()[1] for line in lines if line.startswith("  make ")]
    assert set(shown) == set(re.findall(r"^([a-z][\w-]*):.*## ", MAKEFILE, re.M))
    assert shown[:2] == ["demo", "test"]
    assert lines.index("Every day") < lines.index("Now and then") < lines.index("Variables:")
