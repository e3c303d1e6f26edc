// Fills the form from the state in the address, and draws figure and table from form and data.
"use strict";
let studies = [];
const form = document.getElementById("state");
const control = form.elements;
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#777777", "#999933"];
const study = () => studies.find(s => s.name === control.study.value);
const checked = name => new Set([...form.querySelectorAll(`[name=${name}]:checked`)].map(i => i.value));
const metricOf = name => study().metrics.find(m => m.name === name);

function fill(select, options, wanted) {
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  if (options.some(([value]) => value === wanted)) select.value = wanted;
}

function boxes(id, name, options, wanted) {
  const fieldset = document.getElementById(id);
  fieldset.replaceChildren(fieldset.querySelector("legend"), ...options.map(([value, text]) => {
    const label = document.createElement("label");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", name, value });
    box.checked = !wanted || wanted.includes(value);
    label.append(box, ` ${text}`);
    return label;
  }));
}

function fillForm(state) {
  fill(control.study, studies.map(s => [s.name, s.name]), state.get("study"));
  const s = study(), metrics = s.metrics.map(m => [m.name, m.label]);
  const axes = [["", "–"], ...s.axes.map((axis, i) => [String(i), axis])];
  fill(control.y, metrics, state.get("y"));
  fill(control.x, metrics, state.get("x") ?? "macs");
  fill(control.curve, s.curves.map(m => [m.name, m.label]), state.get("curve") ?? "val/accuracy");
  fill(control.colour, axes, state.get("colour") ?? "0");
  fill(control.shape, axes, state.get("shape") ?? (s.axes.length > 1 ? "1" : ""));
  if (state.get("view")) control.view.value = state.get("view");
  control.log.checked = state.get("log") === "on";
  boxes("shown", "variant", s.variants.map(v => [v.name, v.name]), state.get("variants")?.split("|"));
  boxes("columns", "column", metrics, state.get("columns")?.split("|"));
}

function state() {
  const s = study(), pairs = new URLSearchParams();
  for (const name of ["study", "view", "y", "x", "curve", "colour", "shape"]) pairs.set(name, control[name].value);
  if (control.log.checked) pairs.set("log", "on");
  const variants = checked("variant"), columns = checked("column");
  if (variants.size < s.variants.length) pairs.set("variants", [...variants].join("|"));
  if (columns.size < s.metrics.length) pairs.set("columns", [...columns].join("|"));
  return pairs;
}

const shown = () => study().variants.filter(v => checked("variant").has(v.name));
const columns = () => study().metrics.filter(m => checked("column").has(m.name));

function looks(v) {
  const of = name => (control[name].value === "" ? v.name : v.labels[control[name].value]);
  return { variant: v.name, colour: of("colour"), shape: control.shape.value === "" ? "" : of("shape") };
}

function means(y) {
  const means = shown().map(v => ({ ...looks(v), ...v.cells[y.name] }));
  const seeds = means.flatMap(m => m.seeds.map(value => ({ ...m, seed: value })));
  const row = { field: "variant", type: "nominal", sort: null, title: null, axis: { labelLimit: 400 } };
  const x = field => ({ field, type: "quantitative", title: y.label, scale: { zero: false }, axis: { tickCount: 8 } });
  return { height: { step: 30 }, layer: [
    { data: { values: seeds }, mark: { type: "point", filled: true, opacity: 0.3, size: 25 }, encoding: { y: row, x: x("seed") } },
    { data: { values: means }, mark: { type: "rule", strokeWidth: 2 }, encoding: { y: row, x: x("low"), x2: { field: "high" } } },
    { data: { values: means }, mark: { type: "point", size: 70, tooltip: true }, encoding: { y: row, x: x("mean"), shape: "shape" } }] };
}

function curves(curve) {
  const lines = shown().flatMap(v => v.curves[curve.name].epochs.map((e, i) => ({ ...looks(v), n: v.n, epoch: i + 1, ...e })));
  const seeds = shown().flatMap(v => v.curves[curve.name].seeds.flatMap((values, seed) =>
    values.map((value, i) => ({ ...looks(v), epoch: i + 1, value, seed }))));
  const wide = lines.filter(l => l.n >= 3).flatMap(l => [l.low, l.high]);  // two seeds' interval has no room
  const all = [...seeds.map(s => s.value), ...wide].filter(v => v != null);
  const scale = { zero: false, domain: [Math.min(...all), Math.max(...all)], nice: true };
  const x = { field: "epoch", type: "quantitative", axis: { tickMinStep: 1, format: "d" }, scale: { zero: false } };
  const y = field => ({ field, type: "quantitative", title: curve.label, scale });
  return { height: 360, layer: [
    { data: { values: seeds }, mark: { type: "line", clip: true, opacity: 0.25, strokeWidth: 0.7 }, encoding: { x, y: y("value"), detail: [{ field: "variant" }, { field: "seed" }], strokeDash: "shape" } },
    { data: { values: lines }, mark: { type: "area", clip: true, opacity: 0.15 }, encoding: { x, y: y("low"), y2: { field: "high" }, detail: { field: "variant" } } },
    { data: { values: lines }, mark: { type: "line", point: { size: 25 }, tooltip: true }, encoding: { x, y: y("mean"), detail: { field: "variant" }, strokeDash: "shape" } }] };
}

function trade(x, y) {
  const points = shown().map(v => {
    const [a, b] = [v.cells[x.name], v.cells[y.name]];
    return { ...looks(v), x: a.mean, xlow: a.low, xhigh: a.high, y: b.mean, ylow: b.low, yhigh: b.high };
  });
  const scale = control.log.checked ? { type: "log" } : { zero: false };
  const across = field => ({ field, type: "quantitative", title: x.label, scale });
  const up = field => ({ field, type: "quantitative", title: y.label, scale: { zero: false } });
  return { height: 360, data: { values: points }, layer: [
    { mark: "rule", encoding: { x: across("x"), y: up("ylow"), y2: { field: "yhigh" } } },
    { mark: "rule", encoding: { y: up("y"), x: across("xlow"), x2: { field: "xhigh" } } },
    { mark: { type: "point", size: 80, tooltip: true }, encoding: { x: across("x"), y: up("y"), shape: "shape" } }] };
}

function titled(spec) {
  const axis = name => (control[name].value === "" ? "variant" : study().axes[control[name].value]);
  spec.encoding = { color: { field: "colour", type: "nominal", sort: null, title: axis("colour"), scale: { range: COLOURS }, legend: { labelLimit: 300, symbolOpacity: 1 } } };
  for (const layer of spec.layer) for (const channel of ["shape", "strokeDash"]) {
    if (!layer.encoding[channel]) continue;
    if (control.shape.value === "") delete layer.encoding[channel];
    else layer.encoding[channel] = { field: "shape", type: "nominal", sort: null, title: axis("shape"), legend: channel === "shape" ? {} : { symbolType: "stroke" } };
  }
  const ink = getComputedStyle(document.body).color;
  const line = getComputedStyle(document.documentElement).getPropertyValue("--line");
  const text = { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 12 };
  return { $schema: "vega-lite/v6", width: "container", background: null, ...spec,
    config: { view: { stroke: null }, axis: { ...text, gridColor: line, domainColor: line, tickColor: line }, legend: { ...text, orient: innerWidth < 700 ? "bottom" : "right" } } };
}

let view = null;
function drawFigure() {
  const kind = control.view.value;
  const curve = study().curves.find(m => m.name === control.curve.value);
  const [x, y] = [metricOf(control.x.value), metricOf(control.y.value)];
  const spec = { means: () => means(y), curves: () => curves(curve), trade: () => trade(x, y) }[kind]();
  const words = { means: y?.label, curves: `${curve.label} by epoch`, trade: `${y?.label} against ${x?.label}` }[kind];
  const caption = `${study().name}: ${words}. ${kind === "trade" ? "Means" : "Seeds, means"} and 95 % intervals.`;
  document.getElementById("caption").textContent = caption;
  document.getElementById("chart").setAttribute("aria-label", `${caption} The table below has the numbers.`);
  view?.finalize();
  view = new vega.View(vega.parse(vegaLite.compile(titled(spec), { logger: vega.logger(vega.Error) }).spec),
    { renderer: "svg", container: "#chart", hover: true, tooltip: (_, event, item, value) => {
      document.getElementById("chart").title = value ? Object.entries(value).map(p => p.join(": ")).join("\n") : ""; } });
  window.drawn = view.runAsync();
}

function drawTable() {
  const table = document.getElementById("numbers"), s = study();
  const make = (tag, text, number, value) => {
    const cell = document.createElement(tag);
    cell.textContent = text;
    if (number) cell.className = "number";
    if (value != null) cell.dataset.value = value;
    return cell;
  };
  table.tHead.rows[0].replaceChildren(...s.axes.map(a => make("th", a)), ...columns().map(m => make("th", m.label, true)), make("th", "n", true));
  table.tBodies[0].replaceChildren(...shown().map(v => {
    const row = document.createElement("tr");
    row.append(...v.labels.map(l => make("td", l)), ...columns().map(m => make("td", v.cells[m.name].text, true, v.cells[m.name].mean)), make("td", v.n, true));
    return row;
  }));
  dressTable(table);
}

function csv() {
  const quoted = cells => cells.map(c => `"${String(c ?? "").replaceAll('"', '""')}"`).join(",");
  const heads = columns().flatMap(m => [m.label, `${m.label} low`, `${m.label} high`]);
  const rows = shown().map(v => [...v.labels, ...columns().flatMap(m => ["mean", "low", "high"].map(k => v.cells[m.name][k])), v.n]);
  return [[...study().axes, ...heads, "n"], ...rows].map(quoted).join("\n") + "\n";
}

function latex() {
  const line = cells => `  ${cells.join(" & ")} \\\\`;
  const axes = study().axes, escaped = axes.map(a => a.replace(/([_#%&])/g, "\\$1"));
  return [`\\begin{tabular}{${"l".repeat(axes.length)}${"r".repeat(columns().length + 1)}}`, "  \\toprule",
    line([...escaped, ...columns().map(m => m.tex), "n"]), "  \\midrule",
    ...shown().map(v => line([...v.tex, ...columns().map(m => v.cells[m.name].tex), v.n])),
    "  \\bottomrule", "\\end{tabular}", ""].join("\n");
}

function copy(text, what) {
  const area = document.getElementById("copy");
  area.hidden = false;
  area.value = text;
  area.focus();
  area.select();
  document.getElementById("copied").textContent = document.execCommand("copy") ? `${what} copied` : `${what}: copy it from below`;
}

function draw() {
  for (const label of form.querySelectorAll("[data-view]")) label.hidden = label.dataset.view !== control.view.value;
  control.y.parentElement.hidden = control.view.value === "curves";
  document.getElementById("question").textContent = study().question;
  drawTable();
  drawFigure();
}

const read = () => { fillForm(new URLSearchParams(location.hash.slice(1))); draw(); };
function listen() {
  form.addEventListener("change", event => {
    if (event.target.name === "study") fillForm(new URLSearchParams({ study: control.study.value, view: control.view.value }));
    history.replaceState(null, "", `#${state()}`);
    draw();
  });
  form.addEventListener("submit", event => event.preventDefault());
  document.getElementById("link").addEventListener("click", () => copy(`${location.href.split("#")[0]}#${state()}`, "link"));
  document.getElementById("csv").addEventListener("click", () => copy(csv(), "CSV"));
  document.getElementById("latex").addEventListener("click", () => copy(latex(), "LaTeX"));
  addEventListener("hashchange", read);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawFigure);
}

// Libraries and data are compressed, as a server would send them.
async function unpacked(element) {
  const bytes = Uint8Array.from(atob(element.textContent), character => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

async function start() {
  for (const library of document.querySelectorAll("script.library")) {
    const script = document.createElement("script");
    script.textContent = await unpacked(library);
    document.head.append(script);
  }
  studies = JSON.parse(await unpacked(document.getElementById("data")));
  read();
  listen();
  return window.drawn;  // by now that of the figure
}
window.drawn = start();
