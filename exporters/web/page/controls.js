// The controls of a model: its classes, its latent numbers, and the pad.
"use strict";

const FIRST_NUMBERS = 8; // latent numbers that are always shown
const FAST = 60; // milliseconds for an image, below which many can be computed in the background
const MAP_SIZE = 5; // images in a row of the pad

let center = null; // of the pad: {noise, weights}
let directions = null; // of the pad

// --- classes -------------------------------------------------------------------------------------

function buildClasses() {
  const count = groups();
  $("classes-section").hidden = count < 2;
  $("classes-title").textContent = model.description.classes ? "Class" : "Category";
  const indices = [...Array(count).keys()];
  for (const [id, index] of [["class-a", 6], ["class-b", 7]]) {
    $(id).replaceChildren(...indices.map((i) => new Option(groupName(i), i)));
    $(id).value = count > 7 ? index : index - 6;
  }
  $("class-sliders").replaceChildren();
  for (const index of indices) {
    addSlider("class-sliders", groupName(index), [0, 1], readClassSliders);
  }
}

function morph() {
  const share = Number($("morph").value), [a, b] = ["class-a", "class-b"].map((id) => Number($(id).value));
  const weights = Latent.blend(oneHot(a, groups()), oneHot(b, groups()), share);
  setCurrent(current.noise, weights, describeWeights(weights), "morph");
}

function readClassSliders() { // in proportion, so that the weights add up to 1
  const values = Float64Array.from($("class-sliders").querySelectorAll("input"), (input) => Number(input.value));
  const total = values.reduce((sum, value) => sum + value, 0);
  if (!total) return;
  const weights = values.map((value) => value / total);
  setCurrent(current.noise, weights, describeWeights(weights), "classes");
}

function showWeights() {
  $("class-sliders").querySelectorAll("input").forEach((input, index) => setSlider(input, current.weights[index]));
}

// --- latent numbers ------------------------------------------------------------------------------

function addSlider(parent, name, [low, high], onInput) {
  const label = document.createElement("label"), text = document.createElement("span");
  const input = document.createElement("input"), output = document.createElement("output");
  text.textContent = name;
  Object.assign(input, { type: "range", min: low, max: high, step: (high - low) / 100 });
  input.addEventListener("input", () => {
    setSlider(input, Number(input.value));
    onInput(input);
  });
  label.append(text, input, output);
  $(parent).append(label);
  return input;
}

function setSlider(input, value) {
  input.value = value;
  input.nextElementSibling.textContent = value.toFixed(2);
}

let numbers = []; // the sliders of the latent numbers: {index, input}
function buildLatent(order = null) {
  const { latent } = model.description;
  const all = [...Array(latent.size).keys()].slice(latent.categories);
  const sorted = order ?? all;
  $("first-numbers").replaceChildren();
  $("other-numbers").replaceChildren();
  numbers = sorted.map((index, place) => {
    const parent = place < FIRST_NUMBERS ? "first-numbers" : "other-numbers";
    const isCode = index < latent.categories + latent.codes;
    const name = isCode ? `code ${index - latent.categories + 1}` : `z ${index + 1}`;
    return { index, input: addSlider(parent, name, Latent.limits(latent, index), changeNumber) };
  });
  $("other-section").hidden = numbers.length <= FIRST_NUMBERS;
  $("other-title").textContent = `The other ${numbers.length - FIRST_NUMBERS} numbers`;
}

function changeNumber(input) {
  const { index } = numbers.find((number) => number.input === input);
  const noise = Float64Array.from(current.noise);
  noise[index] = Number(input.value);
  setCurrent(noise, current.weights, "A changed latent vector", "latent");
}

function showNumbers() {
  for (const { index, input } of numbers) setSlider(input, current.noise[index]);
}

// Order the latent numbers by how much they change the image, while nothing else is to be done.
function orderNumbers(number) {
  const { latent } = model.description, base = samples[0];
  if (latent.codes || latent.size <= FIRST_NUMBERS || duration > FAST) return;
  const original = compute(base), effects = new Map();
  const measure = (index) => {
    if (number !== job) return;
    const noise = Float64Array.from(base.noise);
    noise[index] -= 2 * Math.sign(noise[index] || 1);
    const changed = compute({ noise, weights: base.weights });
    effects.set(index, changed.reduce((sum, value, i) => sum + Math.abs(value - original[i]), 0));
    if (index + 1 < latent.size) return void setTimeout(measure, 0, index + 1);
    if ($("first-numbers").contains(document.activeElement)) return;
    buildLatent([...effects.keys()].sort((a, b) => effects.get(b) - effects.get(a)));
    showNumbers();
  };
  setTimeout(measure, 0, latent.categories);
}

// --- the pad -------------------------------------------------------------------------------------

function buildPad() {
  directions = Latent.directions(model.description.latent, 1);
  $("pad-sliders").replaceChildren();
  for (const name of ["across", "up"]) {
    addSlider("pad-sliders", name, [-1, 1], () => movePad(...padPlace(), "pad"));
  }
}

function turnPad() {
  directions = Latent.directions(model.description.latent, Math.floor(Math.random() * 2 ** 32));
  movePad(...padPlace(), "pad");
  drawMap();
}

function nearby(x, y) {
  return Latent.around(model.description.latent, center.noise, directions, x, y);
}

// Draw the images of some places of the pad, once nothing else has happened for a moment.
let mapTimer = 0;
function drawMap() {
  clearTimeout(mapTimer);
  const { width, height } = model.description.image, tile = document.createElement("canvas");
  const places = [...Array(MAP_SIZE ** 2).keys()];
  const drawNext = () => {
    const place = places.shift();
    const [column, row] = [place % MAP_SIZE, Math.floor(place / MAP_SIZE)];
    const [x, y] = [column, row].map((index) => (2 * index + 1) / MAP_SIZE - 1);
    paint(tile, compute({ noise: nearby(x, -y), weights: center.weights }));
    $("map").getContext("2d").drawImage(tile, column * width, row * height);
    if (places.length) mapTimer = setTimeout(drawNext, 0);
  };
  mapTimer = setTimeout(() => {
    [$("map").width, $("map").height] = [MAP_SIZE * width, MAP_SIZE * height]; // clears it
    if (duration < FAST) drawNext();
  }, 300);
}

function padPlace() {
  return [...$("pad-sliders").querySelectorAll("input")].map((input) => Number(input.value));
}

// Move the dot to (x, y), each from -1 to 1; without a source the image is the new center.
function movePad(x, y, source) {
  [x, y] = [x, y].map((value) => Math.max(-1, Math.min(1, value)));
  [...$("pad-sliders").querySelectorAll("input")].forEach((input, axis) => setSlider(input, [x, y][axis]));
  $("dot").style.left = `${50 + 50 * x}%`;
  $("dot").style.top = `${50 - 50 * y}%`;
  if (source === null) {
    center = current;
    drawMap();
    return;
  }
  setCurrent(nearby(x, y), current.weights, `Nearby: ${x.toFixed(2)} across, ${y.toFixed(2)} up`, "pad");
}

function dragPad(event) {
  if (!event.buttons) return;
  $("pad").setPointerCapture(event.pointerId);
  const box = $("pad").getBoundingClientRect();
  movePad(2 * (event.clientX - box.left) / box.width - 1, 1 - 2 * (event.clientY - box.top) / box.height, "pad");
}

function pressPad(event) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (!step) return;
  event.preventDefault();
  const [x, y] = padPlace();
  movePad(x + 0.1 * step[0], y + 0.1 * step[1], "pad");
}
