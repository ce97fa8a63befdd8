// SPDX-License-Identifier: GPL-2.0-only
// The page: the curve from the WebSocket, the table and the footer from the event stream.
"use strict";

const WINDOW_MS = 60000;
const LEAST_MS = 10000;
const LOG_ROWS = 8;
const element = (id) => document.getElementById(id);
const show = (id, text) => (element(id).textContent = text);

// ---- The curve

const points = { temperature: [], target: [], power: [] };
let chart = null;

function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

function makeChart() {
  if (typeof Chart === "undefined") {
    element("no-chart").hidden = false;
    return;
  }
  const line = (data, more) => ({ data, pointRadius: 0, borderWidth: 2, tension: 0.25, ...more });
  chart = new Chart(element("chart"), {
    type: "line",
    data: {
      datasets: [
        line(points.temperature, { label: "Temperature", fill: true, borderWidth: 2.5 }),
        line(points.target, { label: "Target", borderDash: [6, 4], stepped: "before" }),
        line(points.power, { label: "Power", yAxisID: "percent", borderWidth: 1.5 }),
      ],
    },
    options: {
      animation: false,
      parsing: false,
      normalized: true,
      maintainAspectRatio: false,
      interaction: { mode: "nearest", axis: "x", intersect: false },
      plugins: {
        legend: { display: false },
        tooltip: { callbacks: { title: (items) => clock(items[0].parsed.x) } },
      },
      scales: {
        x: {
          type: "linear",
          ticks: { stepSize: 5000, maxTicksLimit: 13, maxRotation: 0, includeBounds: false, callback: clock },
        },
        y: { suggestedMin: 10, suggestedMax: 80, title: { display: true, text: "°C" } },
        percent: {
          position: "right",
          min: 0,
          max: 100,
          grid: { drawOnChartArea: false },
          title: { display: true, text: "%" },
        },
      },
    },
  });
  paint();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
}

function paint() {
  const [temperature, target, power] = chart.data.datasets;
  temperature.borderColor = style("temperature");
  temperature.backgroundColor = style("temperature-fill");
  target.borderColor = style("target");
  power.borderColor = style("power");
  for (const axis of Object.values(chart.options.scales)) {
    axis.ticks = { ...axis.ticks, color: style("soft") };
    axis.grid = { ...axis.grid, color: style("line"), borderColor: style("line") };
    if (axis.title) axis.title = { ...axis.title, color: style("soft") };
  }
  chart.update();
}

function clock(milliseconds) {
  if (milliseconds < 0) return "";
  const seconds = Math.floor(milliseconds / 1000);
  const two = (n) => String(n).padStart(2, "0");
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map(two);
  return seconds < 3600 ? parts.join(":") : Math.floor(seconds / 3600) + ":" + parts.join(":");
}

function addReading([time, temperature, target, power]) {
  points.temperature.push({ x: time, y: temperature });
  points.target.push({ x: time, y: target });
  points.power.push({ x: time, y: power });
  for (const list of Object.values(points)) {
    while (list.length > 2 && list[1].x < time - WINDOW_MS) list.shift();
  }
}

function draw() {
  const last = points.temperature[points.temperature.length - 1];
  if (!last) return;
  const target = points.target[points.target.length - 1].y;
  const power = points.power[points.power.length - 1].y;
  const away = last.y - target;
  show("temperature", last.y.toFixed(1));
  show("target-now", target);
  show("power", power.toFixed(0));
  show("trend", Math.abs(away) < 1 ? "at the target" : `${Math.abs(away).toFixed(1)} °C ${away < 0 ? "below" : "above"} the target`);
  element("power-meter").value = power;
  if (chart) {
    const first = Math.min(points.temperature[0].x, last.x - LEAST_MS);
    chart.options.scales.x.min = Math.max(first, last.x - WINDOW_MS);
    chart.options.scales.x.max = last.x;
    chart.update();
  }
}

// ---- The WebSocket

let pause = 500;

function openSocket() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/ws`);
  socket.onopen = () => {
    pause = 500;
    live(true);
  };
  socket.onclose = () => {
    live(false);
    setTimeout(openSocket, pause);
    pause = Math.min(pause * 2, 8000);
  };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.about) {
      const { python, library, platform } = message.about;
      show("about", `${python} on ${platform}, pymongoose ${library}`);
    }
    if (message.settings) takeSettings(message.settings);
    if (message.history) {
      for (const list of Object.values(points)) list.length = 0;
      message.history.forEach(addReading);
      draw();
    }
    if (message.reading) {
      addReading(message.reading);
      draw();
    }
  };
}

function live(on) {
  show("live", on ? "Live" : "Reconnecting");
  element("live").classList.toggle("on", on);
}

// ---- The event stream

function openStream() {
  const events = new EventSource("/events");
  events.addEventListener("reading", (event) => {
    const [time, temperature, , power] = JSON.parse(event.data);
    const row = element("log").insertRow(0);
    for (const text of [clock(time), temperature.toFixed(1), power.toFixed(0) + " %"]) {
      row.insertCell().textContent = text;
    }
    while (element("log").rows.length > LOG_ROWS) element("log").deleteRow(-1);
  });
  events.addEventListener("state", (event) => {
    const state = JSON.parse(event.data);
    show("uptime", clock(state.uptime_ms));
    show("connections", state.connections);
    show("requests", state.requests);
    show("count", state.readings);
    show("memory", state.memory > 1 << 20 ? (state.memory / (1 << 20)).toFixed(1) + " MiB" : Math.round(state.memory / 1024) + " KiB");
  });
}

// ---- The settings

function takeSettings(settings) {
  element("target").value = settings.target;
  show("target-value", settings.target);
  element("interval").value = settings.interval_ms;
}

function say(text, bad) {
  show("message", text);
  element("message").classList.toggle("bad", bad);
}

element("target").addEventListener("input", (event) => show("target-value", event.target.value));

element("settings").addEventListener("submit", async (event) => {
  event.preventDefault();
  const settings = {
    target: Number(element("target").value),
    interval_ms: Number(element("interval").value),
  };
  try {
    const answer = await fetch("/api/settings", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(settings),
    });
    const result = await answer.json();
    say(answer.ok ? "Applied." : result.error, !answer.ok);
  } catch {
    say("The server did not answer.", true);
  }
});

makeChart();
openSocket();
openStream();
