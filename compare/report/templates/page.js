"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const all = (what, within = document) => [...within.querySelectorAll(what)];

// --- what is shown: every part says by numbers which models, settings, backends and seeds it is of

const off = {m: new Set(), v: new Set(), b: new Set(), s: new Set()};
const KINDS = Object.keys(off);
const isOff = (part) => KINDS.some((kind) =>
  part.dataset[kind] !== undefined && part.dataset[kind].split(" ").some((place) => off[kind].has(place)));

function show() {
  for (const part of all(KINDS.map((kind) => `[data-${kind}]`).join())) part.toggleAttribute("hidden", isOff(part));
  scale();
}
for (const box of all("[data-key]")) {
  box.checked = true;
  box.addEventListener("change", () => {
    off[box.dataset.key][box.checked ? "delete" : "add"](box.value);
    show();
  });
}

// --- samples: each picture is kept once, those shown first are on the page itself

const pictures = DATA.pictures.map((text) => text && "data:image/png;base64," + text);
const samples = all("img.sample");
for (const image of samples) if (image.getAttribute("src")) pictures[image.dataset.place] = image.src;
for (const image of samples) if (!image.getAttribute("src")) image.src = pictures[image.dataset.place];

const slider = document.getElementById("slider"), play = document.getElementById("play");
const spelt = (step) => step.toLocaleString("en");
let playing = 0;

function turnTo(place) {
  const step = DATA.steps[place];
  slider.value = place;
  slider.setAttribute("aria-valuetext", "after step " + spelt(step));
  document.getElementById("step").textContent = spelt(step);
  for (const image of samples) {
    const there = DATA.cells[image.dataset.cell], steps = Object.keys(there).map(Number);
    const at = Math.max(...steps.filter((one) => one <= step)), drawn = at > -Infinity ? at : Math.min(...steps);
    image.src = pictures[there[drawn]];
    image.alt = `${image.dataset.words}, after step ${drawn}`;
    image.closest("figure").querySelector(".when").textContent = drawn === step ? "" : `, step ${spelt(drawn)}`;
  }
}
function stop() {
  clearInterval(playing);
  playing = 0;
  play.textContent = "Play";
}
if (slider) {
  slider.value = slider.max;  // a browser may have kept where it was
  slider.addEventListener("input", () => { stop(); turnTo(Number(slider.value)); });
  play.addEventListener("click", () => {
    if (playing) return stop();
    play.textContent = "Pause";
    const next = () => turnTo((Number(slider.value) + 1) % DATA.steps.length);
    playing = setInterval(next, 700);
    next();
  });
}

for (const button of all(".seed button")) button.addEventListener("click", () => {
  const large = button.closest(".seed").classList.toggle("large");
  button.setAttribute("aria-pressed", large);
});

// --- tables

for (const table of all("table.sortable"))
  all("th button", table).forEach((button, column) => button.addEventListener("click", () => {
    const head = button.parentElement, up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of all("th", table)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => {
      const {dataset: {value: told}, textContent} = row.children[column];
      return told === undefined ? textContent.trim() : told === "" ? null : Number(told);
    };
    const order = (x, y) => (typeof x === "string" ? x.localeCompare(y, "en", {numeric: true}) : x - y) * (up ? 1 : -1);
    const rows = [...table.tBodies[0].rows].map((row) => [value(row), row]);
    rows.sort(([x], [y]) => (x === null) - (y === null) || (x === null ? 0 : order(x, y)));  // what is missing, last
    for (const [, row] of rows) table.tBodies[0].append(row);
  }));

// --- charts: lines are drawn in the units of their axes, and are read back from what is drawn

const charts = all("[data-chart]").filter((part) => part.querySelector(".plot")).map((part) => ({
  part, log: part.dataset.chart === "log", svg: part.querySelector(".field svg"),
  lines: all(".line", part).map((line) => ({
    line, points: line.getAttribute("points").trim().split(" ").map((pair) => pair.split(",").map(Number)),
  })),
}));
const seen = (chart) => chart.lines.filter(({line}) => !line.hasAttribute("hidden"));
const label = (value) => value && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)
  ? value.toExponential(2).replace(/\.?0*e\+?/, "e")
  : Math.abs(value) >= 1000 ? spelt(Math.round(value)) : String(Number(value.toPrecision(3)));

function axis(values) {  // as charts.py does, in words there
  values.sort((x, y) => x - y);
  const last = values.length - 1, a = values[Math.floor(0.02 * last)], b = values[Math.ceil(0.98 * last)];
  let low = values[0] >= a - (b - a) ? values[0] : a - (b - a) / 10;
  let high = values[last] <= b + (b - a) ? values[last] : b + (b - a) / 10;
  if (low > 0 && low < high - low) low = 0;
  if (high - low <= 1e-6 * Math.max(Math.abs(high), Math.abs(low)))
    [low, high] = [low - (Math.abs(low) || 1) / 10, high + (Math.abs(high) || 1) / 10];
  const wanted = (high - low) / 3, power = 10 ** Math.floor(Math.log10(wanted));
  const step = Math.max(power, ...[2, 5].map((n) => n * power).filter((n) => n <= wanted * (1 + 1e-9)));
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n <= Math.floor(high / step); n++) ticks.push(n * step);
  return {low, high, ticks};
}

function scale() {  // what is hidden takes no room
  for (const group of new Set(charts.filter((chart) => !chart.log).map((chart) => chart.part.dataset.group))) {
    const of = charts.filter((chart) => chart.part.dataset.group === group);
    const values = of.flatMap((chart) => seen(chart).flatMap(({points}) => points.map((point) => point[1])));
    if (!values.length) continue;
    const {low, high, ticks} = axis(values);
    for (const {svg, part} of of) {
      const window = svg.getAttribute("viewBox").split(" ");
      svg.setAttribute("viewBox", [window[0], -high, window[2], high - low].join(" "));
      part.querySelector(".ticks").replaceChildren(...ticks.map((value) => {
        const tick = document.createElement("i"), words = document.createElement("span");
        tick.style.bottom = 100 * (value - low) / (high - low) + "%";
        words.textContent = label(value);
        tick.append(words);
        return tick;
      }));
    }
  }
}

const closest = (points, x) => points.reduce((a, b) => Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a);
const inWords = (chart, value) => !chart.log ? String(Number(value.toPrecision(4))) : value <= -18 ? "0" : (10 ** value).toExponential(1);

function read(chart, x, y) {  // x and y in units of the axes; y may be missing
  const there = seen(chart);
  if (!there.length) return;
  const at = closest(there.flatMap(({points}) => points), x)[0];
  const window = chart.svg.getAttribute("viewBox").split(" ").map(Number);
  chart.at = at;
  chart.svg.querySelector(".rule").setAttribute("d", `M${at} ${-window[1]}V${-window[1] - window[3]}`);
  chart.part.querySelector("output").textContent = spelt(Math.round(chart.log ? 10 ** at : at));
  let near = null, least = Infinity;
  for (const {line, points} of chart.lines) {
    const cell = chart.part.querySelector(`[data-of="${line.dataset.i ?? line.dataset.line}"]`);
    const point = closest(points, at), ended = at > points[points.length - 1][0];
    if (cell) cell.textContent = ended ? "–" : inWords(chart, point[1]);
    line.classList.remove("near");
    if (cell) cell.classList.remove("near");
    if (y !== undefined && !ended && !line.hasAttribute("hidden") && Math.abs(point[1] - y) < least)
      [near, least] = [[line, cell], Math.abs(point[1] - y)];
  }
  for (const part of near || []) if (part) part.classList.add("near");
}

for (const chart of charts) {
  const plot = chart.part.querySelector(".plot");
  const point = (event) => {
    const box = chart.svg.getBoundingClientRect(), window = chart.svg.getAttribute("viewBox").split(" ").map(Number);
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    read(chart, window[0] + window[2] * share, -(window[1] + window[3] * (event.clientY - box.top) / box.height));
  };
  plot.addEventListener("pointermove", point);
  plot.addEventListener("pointerdown", point);
  plot.addEventListener("pointerleave", () => {
    for (const part of all(".near", chart.part)) part.classList.remove("near");
  });
  plot.addEventListener("keydown", (event) => {
    const way = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!way) return;
    event.preventDefault();
    const steps = [...new Set(seen(chart).flatMap(({points}) => points.map((one) => one[0])))].sort((x, y) => x - y);
    const place = chart.at === undefined ? steps.length - 1 : steps.indexOf(chart.at) + way;
    if (steps.length) read(chart, steps[Math.min(steps.length - 1, Math.max(0, place))]);
  });
}

addEventListener("beforeprint", () => { for (const part of all("details")) part.open = true; });
