# SPDX-License-Identifier: GPL-2.0-only
"""The thermostat, from outside: what it measures, what it heats, what it is told."""

import json

import pytest

needs_pins = pytest.mark.pmg_needs("pins")


@needs_pins
def test_it_heats_when_it_is_cold(thermostat, device):
    thermostat.measures(18)
    thermostat.start()
    device.wait_for("heating")
    assert device.pins.read(16) == device.pins.read("LED") == 1
    thermostat.measures(24)
    device.wait_for("idle")
    assert device.pins.read(16) == device.pins.read("LED") == 0


@needs_pins
def test_the_button_makes_it_warmer(thermostat, device):
    thermostat.measures(21.4)
    thermostat.start()
    for target in ("21.5", "22.0"):
        thermostat.press()
        device.wait_for(f"target {target}")
    device.wait_for("heating")
    assert device.pins.read(16) == 1


@needs_pins
def test_http(thermostat):
    thermostat.measures(20)
    thermostat.start()
    status, state = thermostat.ask()
    assert (status, state["target"]) == (200, 21.0)
    assert state["temperature"] == pytest.approx(20, abs=0.2)
    status, state = thermostat.ask("/target", "PUT", "19.5")
    assert (status, state["target"]) == (200, 19.5)
    assert thermostat.ask("/elsewhere")[0] == 404


def test_no_temperature(thermostat):
    thermostat.start()
    for text in ("warm", "", "1000", "nan"):
        assert thermostat.ask("/target", "PUT", text)[0] == 400
    assert thermostat.ask()[1]["target"] == 21.0


def test_the_target_outlives_a_restart(thermostat, device):
    thermostat.start()
    thermostat.ask("/target", "PUT", "17.5")
    thermostat.restart()
    assert thermostat.ask()[1]["target"] == 17.5
    device.stop()
    assert json.loads(device.files.get("settings.json"))["target"] == 17.5


@needs_pins
def test_mqtt(thermostat, device, broker):
    thermostat.measures(18)
    thermostat.start(broker=f"mqtt://{device.peer_address}:{broker.port}", name="hall")
    device.wait_for("broker up")
    topic, state = broker.wait_for(lambda topic, state: state["heating"])
    assert (topic, state["target"]) == ("hall/state", 21.0)
    broker.publish("hall/target", "10")
    device.wait_for("target 10.0")
    broker.wait_for(lambda topic, state: state["target"] == 10 and not state["heating"])


@needs_pins
def test_two_of_them(devices):
    """Each has its own pins, files and ports."""
    from conftest import Thermostat

    warm, cold = (Thermostat(each) for each in devices(2))
    warm.measures(25)
    cold.measures(5)
    for each in (warm, cold):
        each.start()
    cold.device.wait_for("heating")
    assert warm.ask()[1]["heating"] is False
    assert cold.ask()[1]["heating"] is True
