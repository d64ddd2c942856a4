// Runs student.onnx on images that the user chooses. Resizing, normalisation, calibration and prevalence stand in the
// graph; this file reads the pixels and shows the numbers.
import * as ort from "./ort.js";
import { readPixels } from "./pixels.js";
import { answered, predictionSet } from "./in_force.js";

const status = document.getElementById("status");
const input = document.getElementById("files");
const drop = document.getElementById("drop");
const list = document.getElementById("list");

function percent(p) {
  return p > 0 && p < 0.001 ? "< 0.1 %" : `${(100 * p).toFixed(1)} %`;
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

async function start() {
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = {
    mjs: new URL("./ort-wasm.js", import.meta.url).href,
    wasm: new URL("./ort-wasm.wasm", import.meta.url).href,
  };
  const [notes, model] = await Promise.all([
    fetch("./notes.json").then((answer) => answer.json()),
    fetch("./student.onnx").then((answer) => answer.arrayBuffer()),
  ]);
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"], logSeverityLevel: 3 });
  document.getElementById("title").textContent = notes.classes.join(" or ") + "?";
  const prevalence = notes.deployment_prevalence ?? notes.study_prevalence;
  document.getElementById("at").textContent = prevalence
    ? "The probabilities hold where the classes are as common as here: " +
      notes.classes.map((name, k) => `${name} ${percent(prevalence[k])}`).join(", ") + "."
    : "";
  return { notes, session };
}

// Classifies one file: {probs, study, low, high, epistemic}, each a plain array or null.
async function classify({ notes, session }, file) {
  const { values, channels, height, width } = await readPixels(file, notes);
  const kind = { uint8: "uint8", uint16: "int32" }[notes.depth];
  const pixels = new ort.Tensor(kind, values, [1, channels, height, width]);
  const outputs = await session.run({ pixels });
  const numbers = (name) => (name in outputs ? Array.from(outputs[name].data, Number) : null);
  return {
    probs: numbers("probs"), study: numbers("study_probs"), laplace: numbers("laplace"),
    low: numbers("low"), high: numbers("high"), epistemic: numbers("epistemic"),
  };
}

function show(notes, file, result) {
  const item = element("li");
  const picture = element("img");
  picture.alt = "";
  picture.src = URL.createObjectURL(file);
  item.append(picture, element("h3", file.name));
  const numbers = element("dl");
  notes.classes.forEach((name, k) => {
    const bar = element("meter");
    bar.value = result.probs[k];
    bar.setAttribute("aria-label", `probability of ${name}`);
    const range = result.low ? ` (${percent(result.low[k])} to ${percent(result.high[k])})` : "";
    numbers.append(element("dt", name), element("dd", percent(result.probs[k]) + range), bar);
  });
  item.append(numbers);
  if (notes.sets) {
    item.append(element("p", `Prediction set: ${predictionSet(notes, result.study).join(", ")}`, "note"));
  }
  if (notes.confidence && !answered(notes, result.study)) {
    item.append(element("p", "Not answered: too unsure for the chosen share of errors.", "note"));
  }
  if (result.epistemic) {
    item.append(element("p", `What more training cases could tell: ${result.epistemic[0].toFixed(3)} nats`, "note"));
  }
  list.prepend(item);
}

function refuse(file, error) {
  const item = element("li");
  item.append(element("h3", file.name), element("p", error.message, "bad"));
  list.prepend(item);
}

const ready = start();
ready.then(
  () => {
    status.textContent = "The model is ready.";
    input.disabled = false;
  },
  (error) => {
    status.textContent = `The model cannot be loaded: ${error.message}. Open this page through a web server, not as a file.`;
    status.className = "bad";
  },
);

async function take(files) {
  const model = await ready;
  document.getElementById("results").hidden = false;
  let done = 0;
  for (const file of files) {
    status.textContent = `Image ${++done} of ${files.length}`;
    try {
      show(model.notes, file, await classify(model, file));
    } catch (error) {
      refuse(file, error);
    }
  }
  status.textContent = `${files.length} ${files.length === 1 ? "image" : "images"} classified.`;
}

input.addEventListener("change", () => take([...input.files]));
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take([...event.dataTransfer.files]);
});

// For tests and for pages that embed this one.
export async function predict(file) {
  return classify(await ready, file);
}
