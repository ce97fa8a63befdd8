// SPDX-License-Identifier: GPL-2.0-only
// The page: the curve from the WebSocket, the table and the footer from the event stream.
"use strict";

const SILENCE_MS = 3500; // the server says something every second
const CHECK_MS = 500;
const GIVE_UP_MS = 12000; // of silence: such a connection is not coming back
const LEAST_ROWS = 5;
const MESSAGE_MS = { good: 4000, bad: 6000 };

const element = (id) => document.getElementById(id);
const show = (id, text) => (element(id).textContent = text);

// ---- Readings

const curve = new Curve(element("curve"), element("legend"));
element("no-chart").hidden = Boolean(curve.plot);
element("curve").hidden = !curve.plot;

function takeReadings(readings) {
  readings.forEach((reading) => curve.add(reading));
  curve.draw();
  const [, temperature, target, power, open] = readings[readings.length - 1];
  const away = temperature - target;
  const degrees = Math.abs(away).toFixed(1);
  show("temperature", temperature.toFixed(1));
  show("target-now", target);
  show("power", power.toFixed(0));
  show("trend", degrees < 1 ? "on target" : `${degrees} °C ${away < 0 ? "below" : "above"} target`);
  element("meter").setAttribute("aria-valuenow", power);
  element("meter").firstElementChild.style.width = `${power}%`;
  show("window", open ? "Open" : "Closed");
  show("loss", open ? "heat goes out" : "heat stays in");
  show("window-button", open ? "Close" : "Open");
  element("window-button").disabled = false;
  document.title = `${temperature.toFixed(1)} °C · Heater`;
}

function addRow([milliseconds, temperature, , power]) {
  const table = element("log");
  const row = table.insertRow(0);
  for (const text of [clock(milliseconds / 1000), temperature.toFixed(1), `${power.toFixed(0)} %`]) {
    row.insertCell().textContent = text;
  }
  const box = table.closest(".rows");
  while (table.rows.length > LEAST_ROWS && box.scrollHeight > box.clientHeight) table.deleteRow(-1);
}

function takeState(state) {
  const kib = state.memory / 1024;
  show("uptime", clock(state.uptime_ms / 1000));
  show("visitors", state.visitors);
  show("requests", state.requests);
  show("readings", state.readings);
  show("memory", kib > 1024 ? `${(kib / 1024).toFixed(1)} MiB` : `${Math.round(kib)} KiB`);
}

// ---- The connections

let socket = null;
let events = null;
let heard = 0;
let retry = 0;
let pause = 500;

function connect() {
  clearTimeout(retry);
  heard = performance.now();
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const mine = (socket = new WebSocket(`${scheme}//${location.host}/ws`));
  const current = (action) => (event) => mine === socket && action(event);
  mine.onclose = current(() => reconnect(pause));
  mine.onmessage = current((event) => {
    hear();
    const message = JSON.parse(event.data);
    if (message.about) {
      const { python, library, platform } = message.about;
      show("about", `${python} on ${platform}, pymongoose ${library}`);
      curve.clear();
      pause = 500;
    }
    if (message.settings) takeSettings(message.settings);
    if (message.readings) takeReadings(message.readings);
  });
  events = new EventSource("/events");
  events.addEventListener("reading", current((event) => addRow(JSON.parse(event.data))));
  events.addEventListener("state", current((event) => {
    if (socket.readyState === WebSocket.OPEN) hear();
    takeState(JSON.parse(event.data));
  }));
}

function reconnect(delay) {
  const old = socket;
  socket = null;
  old.close();
  events.close();
  say("Reconnecting");
  retry = setTimeout(connect, delay);
  pause = Math.min(pause * 2, 8000);
}

function hear() {
  heard = performance.now();
  say("Live", true);
}

function say(text, live = false) {
  if (element("live").textContent !== text) show("live", text);
  element("live").classList.toggle("on", live);
}

setInterval(() => {
  const silence = performance.now() - heard;
  if (!socket || silence < SILENCE_MS) return;
  if (silence > GIVE_UP_MS) reconnect(0);
  else if (socket.readyState === WebSocket.OPEN) say("No answer");
}, CHECK_MS);

// ---- The settings

const form = element("settings");
let edited = false; // what the visitor enters is not overwritten

function takeSettings(settings) {
  show("by", settings.program ? "set by the program" : "set by hand");
  if (edited) return;
  element("target").value = settings.target;
  show("target-value", settings.target);
  element("interval_ms").value = settings.interval_ms;
  element("program").checked = settings.program;
}

async function change(settings) {
  try {
    const answer = await fetch("/api/settings", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(settings),
    });
    const result = await answer.json();
    if (!answer.ok) return tell(inLabels(result.error), "bad");
    edited = false;
    takeSettings(result);
    tell("Applied.", "good");
  } catch {
    tell("The server did not answer.", "bad");
  }
}

// The server names settings as its interface does, the page as its labels do.
function inLabels(text) {
  for (const label of form.querySelectorAll("label")) {
    text = text.replace(new RegExp(`\\b${label.htmlFor}\\b`), label.querySelector("span").textContent);
  }
  return text;
}

let forget = 0;

function tell(text, kind = "good") {
  show("message", text);
  element("message").classList.toggle("bad", kind === "bad");
  clearTimeout(forget);
  if (text) forget = setTimeout(tell, MESSAGE_MS[kind], "");
}

form.addEventListener("input", (event) => {
  edited = true;
  tell("");
  if (event.target.id === "target") {
    show("target-value", event.target.value);
    element("program").checked = false;
  }
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const program = element("program").checked;
  const interval = Number(element("interval_ms").value);
  change(
    program
      ? { program, interval_ms: interval }
      : { program, interval_ms: interval, target: Number(element("target").value) },
  );
});

element("window-button").addEventListener("click", () => {
  change({ window: element("window").textContent !== "Open" });
});

connect();
