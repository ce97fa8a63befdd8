// SPDX-License-Identifier: GPL-2.0-only
// The curve of the last minute, drawn by uPlot. Both scales are 0 to 100, of degrees and of percent.
"use strict";

const SHOWN_S = 60;
const LEAST_S = 10;
const STEPS_S = [1, 2, 5, 10, 15, 20, 30, 60]; // between ticks, which are multiples of one of them
const TICK_PX = 72; // at least, from one label to the next
const MARGIN = 4; // so that a line at 0 or at 100 is not cut by the frame

const two = (n) => String(n).padStart(2, "0");

function clock(seconds) {
  if (seconds < 0) return "";
  const s = Math.floor(seconds);
  const rest = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return s < 3600 ? rest : `${Math.floor(s / 3600)}:${rest}`;
}

class Curve {
  constructor(box, legend) {
    this.box = box;
    this.values = [...legend.querySelectorAll("b")];
    this.data = [[], [], [], [], []]; // seconds, temperature, target, power, window is open
    this.plot = null;
    if (typeof uPlot === "undefined") return;
    this.readColors();
    this.plot = new uPlot(this.options(), this.data, box);
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.readColors();
      this.plot.redraw();
    });
  }

  clear() {
    for (const column of this.data) column.length = 0;
  }

  add([milliseconds, ...values]) {
    const now = milliseconds / 1000;
    [now, ...values].forEach((value, i) => this.data[i].push(value));
    // One point stays to the left of the frame, where the line comes from.
    let old = 0;
    while (old + 2 < this.data[0].length && this.data[0][old + 1] < now - SHOWN_S) old++;
    if (old) for (const column of this.data) column.splice(0, old);
  }

  draw() {
    if (this.plot) this.plot.setData(this.data);
  }

  // ---- How it looks

  size() {
    return { width: this.box.clientWidth, height: this.box.clientHeight };
  }

  readColors() {
    const style = getComputedStyle(document.documentElement);
    this.colors = {};
    for (const name of ["temperature", "temperature-fill", "temperature-fade", "target", "power", "window", "window-text", "soft", "line", "card"]) {
      this.colors[name] = style.getPropertyValue("--" + name).trim();
    }
    this.font = "12px " + getComputedStyle(document.body).fontFamily;
  }

  options() {
    const color = (name) => () => this.colors[name];
    const line = (name, more) => ({ stroke: color(name), width: 2, points: { show: false }, ...more });
    const axis = (more) => ({
      font: this.font,
      stroke: color("soft"),
      grid: { stroke: color("line"), width: 1 },
      ticks: { show: false },
      ...more,
    });
    const level = (more) => axis({ scale: "y", size: 32, gap: 6, splits: () => [0, 20, 40, 60, 80, 100], ...more });
    return {
      ...this.size(),
      padding: [24, null, 0, null],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { size: 9 } },
      scales: {
        x: { time: false, range: () => this.range() },
        y: { range: [-MARGIN, 100 + MARGIN] },
      },
      series: [
        {},
        line("temperature", { width: 2.5, paths: uPlot.paths.spline(), fill: (plot) => this.shade(plot) }),
        line("target", { dash: [6, 4], paths: uPlot.paths.stepped({ align: -1 }) }),
        line("power", { width: 1.5 }),
        { show: false },
      ],
      axes: [
        axis({ size: 28, gap: 8, space: TICK_PX, incrs: STEPS_S, values: (_, ticks) => ticks.map(clock) }),
        level({}),
        level({ side: 1, grid: { show: false } }),
      ],
      hooks: {
        drawClear: [(plot) => this.drawWindow(plot)],
        draw: [(plot) => this.drawEnd(plot)],
        setCursor: [(plot) => this.tell(plot.cursor.idx)],
      },
    };
  }

  range() {
    const times = this.data[0];
    if (!times.length) return [0, LEAST_S];
    const last = times[times.length - 1];
    const first = Math.max(times[0], last - SHOWN_S);
    return [first, Math.max(last, first + LEAST_S)];
  }

  shade(plot) {
    const { top, height } = plot.bbox;
    const fill = plot.ctx.createLinearGradient(0, top, 0, top + height);
    fill.addColorStop(0, this.colors["temperature-fill"]);
    fill.addColorStop(1, this.colors["temperature-fade"]);
    return fill;
  }

  // Behind the lines: when the window was open.
  drawWindow(plot) {
    const [times, , , , open] = this.data;
    const { ctx, bbox } = plot;
    const at = (i) => Math.min(Math.max(plot.valToPos(times[i], "x", true), bbox.left), bbox.left + bbox.width);
    ctx.save();
    ctx.font = this.font.replace(/\d+/, 11 * devicePixelRatio);
    ctx.textAlign = "center";
    for (let i = 0; i < open.length; i++) {
      if (!open[i]) continue;
      const left = at(Math.max(i - 1, 0));
      while (i + 1 < open.length && open[i + 1]) i++;
      const width = at(i) - left;
      ctx.fillStyle = this.colors.window;
      ctx.fillRect(left, bbox.top, width, bbox.height);
      ctx.fillStyle = this.colors["window-text"];
      const text = ["Window open", "Window"].find((each) => ctx.measureText(each).width < width - 8);
      if (text) ctx.fillText(text, left + width / 2, bbox.top + bbox.height - 8 * devicePixelRatio);
    }
    ctx.restore();
  }

  // In front of them: where the temperature is now.
  drawEnd(plot) {
    const last = this.data[0].length - 1;
    if (last < 0) return;
    const { ctx } = plot;
    const point = [plot.valToPos(this.data[0][last], "x", true), plot.valToPos(this.data[1][last], "y", true)];
    ctx.save();
    for (const [radius, name] of [[5.5, "card"], [4, "temperature"]]) {
      ctx.beginPath();
      ctx.arc(...point, radius * devicePixelRatio, 0, 2 * Math.PI);
      ctx.fillStyle = this.colors[name];
      ctx.fill();
    }
    ctx.restore();
  }

  // The values under the pointer, in the legend.
  tell(i) {
    const found = i !== null && i !== undefined && this.data[0][i] !== undefined;
    const texts = found
      ? [`${this.data[1][i].toFixed(1)} °C`, `${this.data[2][i]} °C`, `${this.data[3][i].toFixed(0)} %`]
      : ["", "", ""];
    this.values.forEach((value, n) => (value.textContent = texts[n]));
    document.getElementById("span").textContent = found ? `At ${clock(this.data[0][i])}` : "Last minute";
  }
}
