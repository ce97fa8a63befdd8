# SPDX-License-Identifier: GPL-2.0-only
"""pytest-embedded and the kit in one run: options, fixtures and reports of both.

tools/test/hil.sh runs it as test_beside.py where both are installed, with --target, --port and --baud of
pytest-embedded and --pmg-target of ours.
"""


def test_options_of_both(request):
    option = request.config.getoption
    assert (
        option("target") == "esp32" and option("port") == "/dev/null" and option("baud") == "9600"
    )
    assert option("pmg_target")


def test_both_are_there(request):
    names = {name for name, _ in request.config.pluginmanager.list_name_plugin()}
    assert "pymongoose.testing" in names and any("embedded" in name for name in names)


def test_fixtures_of_both(target, baud, device):
    """Theirs mean what they mean without us."""
    assert (target, baud) == ("esp32", "9600")
    assert device.eval("6 * 7") == 42


def test_a_process_of_theirs(redirect, dut, device):
    """What pytest-embedded expects of a program is not what ours prints."""
    with redirect():
        print("theirs")
    dut.expect("theirs", timeout=10)
    device.exec("print('ours')")
    assert device.lines == ["ours"]
