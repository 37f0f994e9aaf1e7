// The page: what is shown, and what the controls do.
"use strict";

const $ = (id) => document.getElementById(id);
const PERIOD = 4000; // milliseconds of a path that is played
const CHECKED = 1; // of 255, the largest difference that rounding explains

const opened = new Map(); // {description, network} by file
let model = null; // the one that is shown
let current = null; // {noise, weights}: the latent vector and the weight of each class
let samples = []; // of the seed: {noise, weights, name}
let ends = [0, 0]; // the samples A and B
let job = 0; // of work in the background; what has another number stops

// --- loading -------------------------------------------------------------------------------------

function addNetwork(description) { // called by the file of a network
  const { file } = NETWORKS.find((entry) => entry.name === description.name);
  opened.set(file, { description, network: new Network(description) });
}

function openModel(file) {
  if (opened.has(file)) return show(file);
  say("");
  const script = document.createElement("script");
  script.src = file;
  script.onload = () => show(file);
  script.onerror = () => say(`The file ${file} cannot be loaded; it belongs beside this page.`);
  document.head.append(script);
}

function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

function show(file) {
  model = opened.get(file);
  const { description } = model;
  delete document.documentElement.dataset.difference;
  document.querySelector("main").inert = false;
  for (const button of document.querySelectorAll(".play[aria-pressed=true]")) play(button);
  $("title").textContent = document.title = description.title;
  fillFacts(description);
  buildClasses();
  buildLatent();
  buildPad();
  drawSeed();
}

// --- images --------------------------------------------------------------------------------------

function groups() { // of images: the classes of a label, or the categories of the latent vector
  const { description } = model;
  return description.classes || description.latent.categories;
}

function groupName(index) {
  return model.description.class_names[index] ?? String(index);
}

function compute({ noise, weights }) {
  const { description, network } = model, { categories } = description.latent;
  if (description.classes) return network.generate({ noise, label: weights });
  const coded = Float64Array.from(noise);
  if (categories) coded.set(weights);
  return network.generate({ noise: coded });
}

function paint(canvas, bytes) {
  const { height, width, channels } = model.description.image;
  const pixels = new ImageData(width, height);
  const isGray = channels < 3, hasAlpha = channels % 2 === 0;
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = bytes[channels * i + (isGray ? 0 : c)];
    pixels.data[4 * i + 3] = hasAlpha ? bytes[channels * (i + 1) - 1] : 255;
  }
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

let isDue = false, duration = 0; // of the last image, in milliseconds
function render() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    const start = performance.now();
    isDue = false;
    paint($("image"), compute(current));
    duration = performance.now() - start;
    document.documentElement.dataset.ready ||= String(Math.round(performance.now()));
  });
}

// Show an image; `source` is the control that it comes from, which is left as it is.
function setCurrent(noise, weights, caption, source) {
  current = { noise, weights };
  $("caption").textContent = caption;
  $("image").setAttribute("aria-label", `Generated image: ${caption}`);
  if (source !== "classes") showWeights();
  if (source !== "latent") showNumbers();
  if (source !== "pad") movePad(0, 0, null);
  render();
}

function describeWeights(weights) {
  const used = [...weights.keys()].filter((index) => weights[index] > 0.005);
  const noun = model.description.classes ? "class" : "category";
  if (used.length === 1) return `${noun} ${groupName(used[0])}`;
  return used.map((index) => `${Math.round(100 * weights[index])} % ${groupName(index)}`).join(", ");
}

// --- samples of a seed ---------------------------------------------------------------------------

function countSamples() {
  const count = groups();
  return count > 12 ? 24 : count > 1 ? 2 * count : 20;
}

function readSeed() {
  const text = $("seed").value.trim();
  const isValid = /^\d{1,20}$/.test(text) && BigInt(text) < 1n << 64n;
  $("seed").setAttribute("aria-invalid", String(!isValid));
  say(isValid ? "" : "The seed is a whole number from 0, below 2^64.");
  return isValid ? BigInt(text) : null;
}

function oneHot(index, count) {
  return Float64Array.from({ length: count }, (_, i) => (i === index ? 1 : 0));
}

function drawSeed() {
  const seed = readSeed();
  if (seed === null) return;
  const { description } = model, { latent, classes } = description;
  samples = Random.samples(latent, classes, seed, countSamples()).map(({ noise, label }, index) => {
    const group = classes ? label : index % (latent.categories || 1);
    const name = `Sample ${index}`, weights = oneHot(group, groups());
    return { noise, weights, name: groups() ? `${name}, ${describeWeights(weights)}` : name };
  });
  $("command").textContent =
    `gandem generate ${description.name} --seed ${seed} --num-samples ${samples.length}`;
  ends = [0, 1];
  buildGallery(seed);
  showEnds();
  $("path").value = 0;
  setCurrent(samples[0].noise, samples[0].weights, samples[0].name, "path");
}

function buildGallery(seed) {
  const items = samples.map((sample, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(document.createElement("canvas"));
    button.addEventListener("click", () => choose(index));
    return button;
  });
  $("gallery").replaceChildren(...items);
  const number = ++job;
  const drawNext = (index) => {
    if (number !== job) return;
    if (index === samples.length) return seed === 0n ? checkImages() : orderNumbers(number);
    paint(items[index].firstChild, compute(samples[index]));
    if (ends.includes(index)) showEnds();
    setTimeout(drawNext, 0, index + 1);
  };
  setTimeout(drawNext, 30, 0); // after the image itself
}

function choose(index) { // a sample becomes B, and B becomes A
  if (index !== ends[1]) ends = [ends[1], index];
  showEnds();
  $("path").value = 1;
  setCurrent(samples[index].noise, samples[index].weights, samples[index].name, "path");
}

function showEnds() {
  [...$("gallery").children].forEach((button, index) => {
    const end = index === ends[1] ? "B" : index === ends[0] ? "A" : "";
    button.setAttribute("aria-pressed", String(Boolean(end)));
    button.setAttribute("aria-label", samples[index].name + (end && `, chosen as ${end}`));
    if (end) button.dataset.end = end;
    else delete button.dataset.end;
  });
  ["end-a", "end-b"].forEach((id, end) => paint($(id), compute(samples[ends[end]])));
}

function followPath() {
  const share = Number($("path").value), [a, b] = ends.map((index) => samples[index]);
  const noise = Latent.between(model.description.latent, a.noise, b.noise, share);
  const caption = `${Math.round(100 * share)} % of the way from A to B`;
  setCurrent(noise, Latent.blend(a.weights, b.weights, share), caption, "path");
}

// --- playing and saving --------------------------------------------------------------------------

function play(button) {
  const slider = $(button.dataset.slider), isOn = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(isOn));
  if (!isOn) return;
  const first = performance.now() - (Number(slider.value) % 1) * PERIOD;
  const move = (now) => {
    if (button.getAttribute("aria-pressed") !== "true") return;
    const turns = Math.max(0, now - first) / PERIOD % 2;
    slider.value = turns > 1 ? 2 - turns : turns;
    slider.dispatchEvent(new Event("input"));
    requestAnimationFrame(move);
  };
  requestAnimationFrame(move);
}

function save(canvas, name) {
  canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${model.description.name}-${name}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
}

function saveAll() {
  const { width, height } = model.description.image, columns = Math.min(10, samples.length);
  const sheet = document.createElement("canvas");
  sheet.width = columns * width;
  sheet.height = Math.ceil(samples.length / columns) * height;
  [...$("gallery").querySelectorAll("canvas")].forEach((canvas, index) =>
    sheet.getContext("2d").drawImage(canvas, index % columns * width, Math.floor(index / columns) * height));
  save(sheet, `seed-${$("seed").value.trim()}`);
}

// --- facts ---------------------------------------------------------------------------------------

function fillFacts({ facts }) {
  const parts = [...facts, ["Images in this browser", "not compared yet"]].flatMap(([name, value]) => {
    const term = document.createElement("dt"), text = document.createElement("dd");
    [term.textContent, text.textContent] = [name, value];
    return [term, text];
  });
  parts.at(-1).id = "checked";
  $("facts").replaceChildren(...parts);
}

// Compare images with those that gandem made when it wrote this page.
function checkImages() {
  const { examples, latent, classes } = model.description, number = job;
  if (!examples) return orderNumbers(number);
  const drawn = Random.samples(latent, classes, 0n, examples.of);
  const expected = Uint8Array.from(atob(examples.bytes), (letter) => letter.charCodeAt(0));
  const size = expected.length / examples.count, differences = [];
  const compare = (index) => {
    if (number !== job) return;
    const { noise, label } = drawn[index];
    const weights = oneHot(classes ? label : index % (latent.categories || 1), groups());
    const bytes = compute({ noise, weights });
    differences.push(...bytes.map((value, i) => Math.abs(value - expected[index * size + i])));
    if (index + 1 < examples.count) return void setTimeout(compare, 0, index + 1);
    const largest = differences.reduce((a, b) => Math.max(a, b), 0);
    document.documentElement.dataset.difference = String(largest);
    const verdict = largest <= CHECKED ? "equal" : "unequal";
    $("checked").textContent = `${verdict} to those of gandem (largest difference ${largest} of 255, ${examples.count} images)`;
    orderNumbers(number);
  };
  compare(0);
}

// --- start ---------------------------------------------------------------------------------------

function start() {
  for (const { file, title } of NETWORKS) $("model").append(new Option(title, file));
  $("choose").hidden = NETWORKS.length < 2;
  $("model").addEventListener("change", () => openModel($("model").value));
  $("new").addEventListener("click", () => {
    $("seed").value = Math.floor(Math.random() * 2 ** 32);
    drawSeed();
  });
  $("seed").addEventListener("input", drawSeed);
  $("download").addEventListener("click", () => save($("image"), "image"));
  $("download-all").addEventListener("click", saveAll);
  $("path").addEventListener("input", followPath);
  for (const id of ["morph", "class-a", "class-b"]) $(id).addEventListener("input", morph);
  for (const button of document.querySelectorAll(".play")) button.addEventListener("click", () => play(button));
  $("pad").addEventListener("pointerdown", dragPad);
  $("pad").addEventListener("pointermove", dragPad);
  $("pad").addEventListener("keydown", pressPad);
  $("turn").addEventListener("click", turnPad);
  openModel(NETWORKS[0].file);
}

tf.enableProdMode();
tf.setBackend("cpu").then(start);
