"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
document.documentElement.classList.add("scripted");

// --- filters: every part has the places of its model, setting, backends and seed in the grid

const hidden = {m: new Set(), v: new Set(), b: new Set(), s: new Set()};
const KINDS = Object.keys(hidden);
const isHidden = (part) => KINDS.some((kind) =>
  part.dataset[kind] !== undefined && part.dataset[kind].split(" ").some((place) => hidden[kind].has(place)));

function update() {
  for (const part of all(KINDS.map((kind) => `[data-${kind}]`).join())) part.toggleAttribute("hidden", isHidden(part));
  fitCharts();
  fitTables();
}
for (const box of all("[data-filter]")) {
  box.checked = true;
  box.addEventListener("change", () => {
    hidden[box.dataset.filter][box.checked ? "delete" : "add"](box.value);
    update();
  });
}

// --- samples: each picture is embedded once, those shown first in the page itself

const pictures = DATA.pictures.map((text) => text && "data:image/png;base64," + text);
const samples = all("img.sample");
for (const image of samples) if (image.getAttribute("src")) pictures[image.dataset.place] = image.src;
for (const image of samples) if (!image.getAttribute("src")) image.src = pictures[image.dataset.place];

const slider = document.getElementById("slider"), play = document.getElementById("play"), zoom = document.getElementById("zoom");
const spell = (step) => step.toLocaleString("en");
let timer = 0;

function showStep(place) {
  const step = DATA.steps[place];
  slider.value = place;
  slider.setAttribute("aria-valuetext", "after step " + spell(step));
  document.getElementById("step").textContent = spell(step);
  for (const image of samples) {
    const byStep = DATA.cells[image.dataset.cell], steps = Object.keys(byStep).map(Number);
    const last = Math.max(...steps.filter((other) => other <= step)), drawn = last > -Infinity ? last : Math.min(...steps);
    image.src = pictures[byStep[drawn]];
    image.alt = `${image.dataset.text}, after step ${drawn}`;
    image.closest("figure").querySelector(".when").textContent = drawn === step ? "" : `, step ${spell(drawn)}`;
  }
}
function pause() {
  clearInterval(timer);
  timer = 0;
  play.textContent = "Play";
}
if (slider) {
  slider.value = slider.max;  // a browser may restore an earlier value
  slider.addEventListener("input", () => { pause(); showStep(Number(slider.value)); });
  play.addEventListener("click", () => {
    if (timer) return pause();
    play.textContent = "Pause";
    const next = () => showStep((Number(slider.value) + 1) % DATA.steps.length);
    timer = setInterval(next, 700);
    next();
  });
  zoom.addEventListener("change", () => { for (const part of all(".seeds")) part.style.setProperty("--zoom", zoom.value); });
}

// --- tables

const measure = document.getElementById("measure");
if (measure) {
  measure.selectedIndex = 0;
  measure.addEventListener("change", () => {
    for (const part of all(".ranking")) part.hidden = part.dataset.measure !== measure.value;
    fitTables();
  });
}
const textOf = (cell) => (cell.dataset.text ?? (cell.querySelector("button") || cell).textContent).trim().replace(/\s+/g, " ");
const tables = all(".wide > table");

for (const table of tables) {
  const heads = [...table.tHead.rows[0].cells];
  for (const row of table.rows) [...row.cells].forEach((cell, column) => { cell.dataset.title = textOf(heads[column]); });
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const valueOf = ({cells: {[column]: cell}}) =>
      cell.dataset.value === undefined ? textOf(cell) : cell.dataset.value === "" ? null : Number(cell.dataset.value);
    const compare = (x, y) => sign * (typeof x === "string" ? x.localeCompare(y, "en", {numeric: true}) : x - y);
    const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row), row]);
    rows.sort(([x], [y]) => (x === null) - (y === null) || (x === null ? 0 : compare(x, y)));  // missing values last
    table.tBodies[0].append(...rows.map(([, row]) => row));
  }));
}
function fitTables() {
  for (const box of all(".wide")) {
    box.classList.remove("cards");
    box.classList.toggle("cards", box.scrollWidth > box.clientWidth);
  }
}

const TEX = {"±": "$\\pm$", "↓": "$\\downarrow$", "↑": "$\\uparrow$", "−": "$-$", "–": "--", "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"};
const FORMATS = {
  CSV: (rows) => rows.map((row) => row.map((text) => /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text).join()).join("\n"),
  Markdown: ([heads, ...rows], kinds) => [heads, kinds.map((kind) => kind === "r" ? "--:" : "---"), ...rows]
    .map((row) => `| ${row.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`).join("\n"),
  LaTeX: ([heads, ...rows], kinds) => {
    const line = (row) => row.map((text) => text.replace(/[±↓↑−–\\~^]|[&%$#_{}]/g, (letter) => TEX[letter] ?? "\\" + letter)).join(" & ") + " \\\\";
    return [`\\begin{tabular}{${kinds.join("")}}`, "\\hline", line(heads), "\\hline", ...rows.map(line), "\\hline", "\\end{tabular}"].join("\n");
  },
};
const ENDINGS = {CSV: "csv", Markdown: "md", LaTeX: "tex"};

function exported(table, format) {
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.rows].filter((row) => !row.hidden).map((row) => heads.flatMap((head, column) => {
    const cell = row.cells[column], names = head.dataset.csv?.split("|");
    if (format !== "CSV" || (cell === head && !names)) return [textOf(cell)];
    const text = cell.dataset.csv ?? cell.dataset.value ?? textOf(cell);
    return names ? names.map((_, place) => text.split("|")[place] ?? "") : [/^[=+@-]/.test(text) && isNaN(text) ? "'" + text : text];  // no formula
  }));
  return FORMATS[format](rows, heads.map((head) => head.classList.contains("number") ? "r" : "l")) + "\n";
}
for (const button of all("[data-export]")) button.addEventListener("click", () => {
  const format = button.textContent, link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([exported(document.getElementById(button.dataset.export), format)], {type: "text/plain"}));
  link.download = `${button.dataset.export}.${ENDINGS[format]}`;
  link.click();
});

// --- charts: lines are in the units of their axes, and are read back from the page

const charts = all("[data-chart]").filter((part) => part.querySelector(".plot")).map((part) => ({
  part, isLog: part.dataset.chart === "log", svg: part.querySelector(".field svg"),
  lines: all(".line", part).map((line) => ({
    line, points: line.getAttribute("points").trim().split(" ").map((pair) => pair.split(",").map(Number)),
  })),
}));
const visible = (chart) => chart.lines.filter(({line}) => !line.hasAttribute("hidden"));
const viewBox = (chart) => chart.svg.getAttribute("viewBox").split(" ").map(Number);
const formatTick = (value) => value && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)
  ? value.toExponential(2).replace(/\.?0*e\+?/, "e")
  : Math.abs(value) >= 1000 ? spell(Math.round(value)) : String(Number(value.toPrecision(3)));

function scale(values) {  // the same as _scale in charts.py
  values.sort((x, y) => x - y);
  const last = values.length - 1, a = values[Math.floor(0.02 * last)], b = values[Math.ceil(0.98 * last)];
  let low = values[0] >= a - (b - a) ? values[0] : a - (b - a) / 10;
  let high = values[last] <= b + (b - a) ? values[last] : b + (b - a) / 10;
  if (low > 0 && low < high - low) low = 0;
  if (high - low <= 1e-6 * Math.max(Math.abs(high), Math.abs(low)))
    [low, high] = [low - (Math.abs(low) || 1) / 10, high + (Math.abs(high) || 1) / 10];
  const third = (high - low) / 3, power = 10 ** Math.floor(Math.log10(third));
  const interval = Math.max(power, ...[2, 5].map((n) => n * power).filter((n) => n <= third * (1 + 1e-9)));
  const ticks = [];
  for (let n = Math.ceil(low / interval - 1e-9); n <= Math.floor(high / interval); n++) ticks.push(n * interval);
  return {low, high, ticks};
}

function fitCharts() {  // hidden lines take no room
  for (const group of new Set(charts.filter((chart) => !chart.isLog).map((chart) => chart.part.dataset.group))) {
    const members = charts.filter((chart) => chart.part.dataset.group === group);
    const values = members.flatMap((chart) => visible(chart).flatMap(({points}) => points.map((point) => point[1])));
    if (!values.length) continue;
    const {low, high, ticks} = scale(values);
    for (const chart of members) {
      const [left, , width] = viewBox(chart);
      chart.svg.setAttribute("viewBox", [left, -high, width, high - low].join(" "));
      chart.part.querySelector(".ticks").replaceChildren(...ticks.map((value) => {
        const tick = document.createElement("i"), text = document.createElement("span");
        tick.style.bottom = 100 * (value - low) / (high - low) + "%";
        text.textContent = formatTick(value);
        tick.append(text);
        return tick;
      }));
    }
  }
}

const closest = (points, x) => points.reduce((a, b) => Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a);
const format = (chart, value) => !chart.isLog ? String(Number(value.toPrecision(4))) : value <= -18 ? "0" : (10 ** value).toExponential(1);

function read(chart, x, y) {  // x and y in units of the axes; y may be missing
  const lines = visible(chart);
  if (!lines.length) return;
  const at = closest(lines.flatMap(({points}) => points), x)[0];
  const [, top, , height] = viewBox(chart);
  chart.at = at;
  chart.svg.querySelector(".rule").setAttribute("d", `M${at} ${-top}V${-top - height}`);
  chart.part.querySelector("output").textContent = spell(Math.round(chart.isLog ? 10 ** at : at));
  const values = new Map(lines.filter(({points}) => at <= points[points.length - 1][0]).map(({line, points}) => [line, closest(points, at)[1]]));
  for (const row of all("[data-lines]", chart.part)) {
    const names = row.dataset.lines.split(" ");
    const own = [...values].filter(([line]) => names.includes(line.dataset.line)).map(([, value]) => value);
    row.cells[1].textContent = own.length ? format(chart, own.reduce((a, b) => a + b) / own.length) : "–";
    if (row.cells[2]) row.cells[2].textContent = own.length > 1 ? `${format(chart, Math.min(...own))} to ${format(chart, Math.max(...own))}` : "";
  }
  const near = y === undefined ? null : [...values.keys()].reduce((a, b) => Math.abs(values.get(b) - y) < Math.abs(values.get(a) - y) ? b : a, values.keys().next().value);
  for (const {line} of chart.lines) line.classList.toggle("near", line === near);
  const nearest = chart.part.querySelector(".nearest");
  if (nearest && near) nearest.textContent = `${near.textContent}: ${format(chart, values.get(near))}`;
}

for (const chart of charts) {
  const plot = chart.part.querySelector(".plot");
  const point = (event) => {
    const box = chart.svg.getBoundingClientRect(), [left, top, width, height] = viewBox(chart);
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    read(chart, left + width * share, -(top + height * (event.clientY - box.top) / box.height));
  };
  plot.addEventListener("pointermove", point);
  plot.addEventListener("pointerdown", point);
  plot.addEventListener("pointerleave", () => { for (const line of all(".near", chart.part)) line.classList.remove("near"); });
  plot.addEventListener("keydown", (event) => {
    const direction = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!direction) return;
    event.preventDefault();
    const steps = [...new Set(visible(chart).flatMap(({points}) => points.map(([step]) => step)))].sort((x, y) => x - y);
    const place = chart.at === undefined ? steps.length - 1 : steps.indexOf(chart.at) + direction;
    if (steps.length) read(chart, steps[Math.min(steps.length - 1, Math.max(0, place))]);
  });
}

addEventListener("beforeprint", () => { for (const part of all("details")) part.open = true; });
addEventListener("resize", fitTables);
fitTables();
