// The form of a model: its texts, examples and options.

import { element } from "./elements.js";
import { optionText, text } from "./texts.js";

const EXPLAINED = ["label"];
/* The kinds of records that look otherwise when they are explained. */

/** Returns the form of a model; `onRun` is called to compute, `onStop` to abort. */
export function makeForm(model, limits, onRun, onStop) {
  const areas = model.fields.map((_field, number) => area(model, number, limits, onRun));
  const options = makeOptions(model);
  const run = element("button", { type: "submit", class: "primary", id: "run" }, text("run"));
  const stop = element("button", { type: "button", id: "stop", hidden: true, onclick: onStop }, text("stop"));
  const form = element(
    "form",
    { onsubmit: (event) => { event.preventDefault(); if (run.getAttribute("aria-disabled") !== "true") onRun(); } },
    areas.map(([label, input]) => element("div", { class: "field" }, label, input)),
    makeExamples(model, (chosen) => { setTexts(chosen); onRun(); }),
    options.node,
    element("div", { class: "actions" }, run, stop, element("span", { class: "hint keys" }, text("hint"))),
  );
  function setTexts(joined) {
    joined.split("\t").forEach((part, number) => { if (areas[number]) areas[number][1].value = part; });
  }
  return {
    node: form,
    setTexts,
    read: () => areas.map(([, input]) => input.value.replaceAll("\t", " ")).join("\t"),
    options: options.read,
    setBusy: (busy) => {
      run.setAttribute("aria-disabled", String(busy)); // a button that is disabled would lose the focus
      if (!busy && document.activeElement === stop) run.focus();
      stop.hidden = !busy;
    },
    focus: () => areas[0][1].focus(),
  };
}

function area(model, number, limits, onRun) {
  const id = `text-${number}`;
  const name = model.fields.length > 1 ? (number ? "text.second" : "text.first") : "text";
  const first = model.examples[0] ?? "";
  const input = element(
    "textarea",
    { id, rows: model.fields.length > 1 ? 2 : 3, maxlength: limits.text_length, spellcheck: "false", lang: "zh-CN" },
    first.split("\t")[number] ?? "",
  );
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onRun();
    }
  });
  return [element("label", { for: id }, text(name)), input];
}

function makeExamples(model, choose) {
  if (!model.examples.length) return null;
  const buttons = model.examples.map((example) =>
    element("button", { type: "button", class: "example", lang: "zh-CN", onclick: () => choose(example) }, example.replace("\t", " ／ ")),
  );
  return element("div", { class: "examples", role: "group", "aria-label": text("examples") }, element("span", { class: "hint" }, text("examples")), buttons);
}

// ---- options

function makeOptions(model) {
  const shown = Object.entries(model.options).filter(([name]) => name !== "explain" || EXPLAINED.includes(model.kind));
  const controls = shown.map(([name, schema]) => control(name, optionText(name, model.kind), schema, model.page_options[name]));
  const node = controls.length
    ? element("details", { class: "options", open: model.kind === "outputs" && matchMedia("(min-width: 40rem)").matches }, element("summary", {}, text("options")), element("div", { class: "grid" }, controls.map(({ node: each }) => each)))
    : null;
  return { node, read: () => Object.fromEntries(controls.map(({ name, read }) => [name, read()]).filter(([, value]) => value !== null)) };
}

function control(name, title, schema, preset) {
  const id = `option-${name}`;
  const label = element("label", { for: id }, title);
  if (schema.type === "boolean") {
    const box = element("input", { type: "checkbox", id, checked: preset === true });
    return { name, node: element("div", { class: "option check" }, box, label), read: () => (box.checked ? true : null) };
  }
  const step = schema.type === "integer" ? 1 : "any";
  const input = element("input", { type: "number", id, min: schema.minimum, max: schema.maximum, step, value: preset ?? "", placeholder: text("default"), inputmode: "decimal" });
  return { name, node: element("div", { class: "option" }, label, input), read: () => (input.value === "" ? null : Number(input.value)) };
}
