// The page: a tab for each model, its form, and what it answers.

import { explain, predict, predictPatiently, readModels, stream } from "./client.js";
import { makeForm } from "./controls.js";
import { element, fill } from "./elements.js";
import { MAX_FILE_TEXTS, readTexts } from "./files.js";
import { view } from "./records.js";
import { summary } from "./summary.js";
import { LANGUAGES, chooseLanguage, currentLanguage, setLanguage, text } from "./texts.js";

const SUMMARISED = ["label", "spans"];
const UNSTREAMED = ["num_beams", "num_return_sequences"];
const state = { models: [], limits: {}, model: null, running: null, form: null, status: null, results: null };

// ---- the frame

async function load() {
  try {
    await draw();
  } catch (error) {
    fill(document.getElementById("panel"), element("p", { class: "problem", role: "alert" }, error.message));
  }
}

async function draw() {
  const { models, limits } = await readModels();
  Object.assign(state, { models, limits });
  const name = state.model?.name ?? decodeURIComponent(location.hash.slice(1));
  drawFrame();
  choose(models.find((model) => model.name === name) ?? models[0]);
}

function drawFrame() {
  const docs = document.getElementById("docs");
  docs.textContent = text("docs");
  document.getElementById("tabs").setAttribute("aria-label", text("models"));
  fill(document.getElementById("languages"), Object.entries(LANGUAGES).map(([language, name]) => element(
    "button",
    { type: "button", class: "quiet", lang: language, "aria-pressed": String(language === currentLanguage()), onclick: () => switchLanguage(language) },
    name,
  )));
  fill(document.getElementById("tabs"), state.models.map((model, number) => element(
    "button",
    { type: "button", role: "tab", id: `tab-${number}`, "aria-controls": "panel", onclick: () => choose(model), onkeydown: (event) => moveTab(event, number) },
    model.name,
  )));
}

/** Draws the page in another language, with the texts that were typed. */
async function switchLanguage(language) {
  const typed = state.form?.read();
  setLanguage(language);
  await load();
  if (typed !== undefined) state.form.setTexts(typed);
  document.querySelector(`#languages [lang=${language}]`).focus();
}

function moveTab(event, number) {
  const count = state.models.length;
  const next = { ArrowRight: (number + 1) % count, ArrowLeft: (number + count - 1) % count, Home: 0, End: count - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  choose(state.models[next]);
  document.getElementById(`tab-${next}`).focus();
}

function choose(model) {
  state.running?.abort();
  state.model = model;
  document.title = `${model.name} – paddle_tasks`;
  history.replaceState(null, "", `#${encodeURIComponent(model.name)}`);
  state.models.forEach((each, number) => {
    const tab = document.getElementById(`tab-${number}`);
    tab.setAttribute("aria-selected", String(each === model));
    tab.tabIndex = each === model ? 0 : -1;
    if (each === model) {
      document.getElementById("panel").setAttribute("aria-labelledby", tab.id);
      tab.scrollIntoView({ block: "nearest", inline: "center" });
    }
  });
  drawPanel(model);
}

function drawPanel(model) {
  state.form = makeForm(model, state.limits, run, () => state.running?.abort());
  state.status = element("p", { role: "status", class: "status" });
  state.results = element("div", { id: "results", "aria-live": "polite" });
  const file = SUMMARISED.includes(model.kind) && model.fields.length === 1 ? dropZone() : null;
  fill(document.getElementById("panel"), element("p", { class: "lead" }, text(model.fields.length > 1 ? "kind.pair" : `kind.${model.kind}`)), state.form.node, state.status, state.results, file);
}

// ---- one text

async function run() {
  const { model, form } = state;
  const input = form.read(), options = form.options();
  const streamed = model.stream && !UNSTREAMED.some((name) => options[name] > 1) && !options.explain;
  const chosen = streamed ? Object.fromEntries(Object.entries(options).filter(([name]) => model.stream.includes(name))) : options;
  await work(text(streamed ? "writing" : "working"), (signal) => (streamed ? write : answer)(model, input, chosen, signal));
}

async function answer(model, input, options, signal) {
  const { records, lines } = await predict(model.name, [input], options, signal);
  fill(state.results, view(model, records[0], lines[0], actions()));
}

async function write(model, input, options, signal) {
  const written = element("mark", { class: "new" });
  fill(state.results, element("article", { class: "record" }, element("p", { class: "marked growing", lang: "zh-CN" }, written)));
  for await (const [event, content] of stream(model.name, input, options, signal)) {
    if (event === "") written.append(content.text);
    else if (event === "end") fill(state.results, view(model, content.record, content.lines, actions()));
    else throw new Error(explain(content.error));
  }
}

function actions() {
  const use = (chosen) => { state.form.setTexts(chosen); state.form.focus(); };
  return { use, run: (chosen) => { use(chosen); run(); } };
}

/** Runs something that takes a while: one at a time, with a button to stop it. */
async function work(message, compute) {
  state.running?.abort();
  const controller = new AbortController(), begin = performance.now(), { form, status } = state;
  state.running = controller;
  form.setBusy(true);
  status.textContent = message;
  status.classList.remove("problem");
  try {
    const found = await compute(controller.signal);
    status.textContent = found ?? text("done", { seconds: ((performance.now() - begin) / 1000).toFixed(2) });
  } catch (error) {
    const stopped = error.name === "AbortError";
    status.textContent = stopped ? text("stopped") : error.message;
    status.classList.toggle("problem", !stopped);
  } finally {
    if (state.running === controller) {
      state.running = null;
      form.setBusy(false);
    }
  }
}

// ---- a file

function dropZone() {
  const input = element("input", { type: "file", id: "file", accept: ".txt,.csv,.tsv,.json,.jsonl", class: "unseen", onchange: () => input.files[0] && summarise(input.files[0]) });
  const zone = element("div", { class: "drop", id: "drop" }, input, element("label", { for: "file" }, text("file")), element("span", { class: "hint" }, text("file.hint")));
  const highlight = (on) => (event) => { event.preventDefault(); zone.classList.toggle("over", on); };
  zone.addEventListener("dragover", highlight(true));
  zone.addEventListener("dragleave", highlight(false));
  zone.addEventListener("drop", (event) => {
    highlight(false)(event);
    if (event.dataTransfer.files[0]) summarise(event.dataTransfer.files[0]);
  });
  return zone;
}

async function summarise(file) {
  const { model } = state;
  await work(text("working"), async (signal) => {
    const found = await readTexts(file), texts = found.slice(0, MAX_FILE_TEXTS);
    if (!texts.length) throw new Error(text("file.empty", { name: file.name }));
    const { records, skipped, reason } = await predictAll(model, texts, signal);
    const remarks = [
      found.length > texts.length ? text("file.cut", { count: texts.length, total: found.length }) : null,
      skipped ? text("file.skipped", { count: skipped, reason }) : null,
    ].filter(Boolean);
    fill(state.results, remarks.map((remark) => element("p", { class: "remark" }, remark)), summary(model, records), saveLink(records, file.name));
    return text("file.done", { count: records.length, name: file.name });
  });
}

async function predictAll(model, texts, signal) {
  const usable = texts.filter((each) => [...each].length <= state.limits.text_length), records = [];
  const size = Math.min(32, state.limits.n_texts);
  for (let first = 0; first < usable.length; first += size) {
    const answered = await predictPatiently(model.name, usable.slice(first, first + size), {}, signal);
    records.push(...answered.records);
    state.status.textContent = text("file.reading", { done: records.length, count: usable.length });
  }
  return { records, skipped: texts.length - usable.length, reason: `> ${state.limits.text_length}` };
}

function saveLink(records, name) {
  const content = records.map((record) => `${JSON.stringify(record)}\n`).join("");
  const href = URL.createObjectURL(new Blob([content], { type: "application/jsonl" }));
  return element("p", {}, element("a", { href, download: `${name.replace(/\.\w+$/, "")}-records.jsonl` }, text("file.save")));
}

// A file that is dropped beside the zone must not replace the page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
chooseLanguage();
load();

