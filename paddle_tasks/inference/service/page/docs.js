// The description of the interface, drawn from /openapi.json without anything from elsewhere.

import { element, fill, table, withCode } from "./elements.js";
import { chooseLanguage, currentLanguage, text } from "./texts.js";

async function start() {
  chooseLanguage();
  const description = await (await fetch("/openapi.json", { headers: { "Accept-Language": currentLanguage() } })).json();
  for (const [id, name] of [["title", "docs.title"], ["back", "docs.page"], ["raw", "docs.raw"]]) document.getElementById(id).textContent = text(name);
  const operations = Object.entries(description.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => [method, path, operation]));
  fill(
    document.getElementById("panel"),
    description.info.description.split("\n\n").map((part) => element("p", {}, withCode(part))),
    operations.map(([method, path, operation]) => operationView(description, method, path, operation)),
  );
}

function operationView(description, method, path, operation) {
  const body = operation.requestBody?.content["application/json"];
  return element(
    "section",
    { class: "record operation", id: path },
    element("h2", {}, element("code", {}, `${method.toUpperCase()} ${path}`)),
    element("p", {}, withCode(operation.description)),
    body ? bodyView(description, path, body) : tryView(method, path, null),
    answersView(operation.responses),
  );
}

function bodyView(description, path, body) {
  const schema = description.components.schemas[body.schema.$ref.split("/").pop()];
  const rows = Object.entries(schema.properties).map(([name, field]) => [name, typeOf(field), element("span", {}, withCode(field.description ?? ""))]);
  const examples = Object.values(body.examples ?? {});
  return [
    table([text("docs.field"), text("docs.type"), text("docs.meaning")], rows, text("docs.body")),
    examples.map(({ summary, value }, number) => element(
      "details",
      { open: number === 0 },
      element("summary", {}, `${text("docs.example")}: ${summary}`),
      tryView("post", path, value),
    )),
  ];
}

function typeOf(field) {
  const kinds = (field.anyOf ?? [field]).map((each) => (each.type === "array" ? `${each.items.type}[]` : each.type));
  return kinds.filter((kind) => kind !== "null").join(" | ");
}

/** Returns the command for an example, with a button that sends it. */
function tryView(method, path, value) {
  const json = JSON.stringify(value, null, 2);
  const body = value ? ` \\\n  -H 'Content-Type: application/json' \\\n  -d '${json.replaceAll("'", "'\\''")}'` : "";
  const shown = element("pre", { hidden: true, tabindex: "0", "aria-live": "polite" });
  return [
    element("pre", { tabindex: "0" }, `curl -N ${location.origin}${path}${body}`),
    element("button", { type: "button", onclick: () => send(method, path, value, shown) }, text("docs.try")),
    shown,
  ];
}

async function send(method, path, value, shown) {
  shown.hidden = false;
  shown.textContent = "…";
  const headers = { "Accept-Language": currentLanguage(), ...(value ? { "Content-Type": "application/json" } : {}) };
  try {
    const answer = await fetch(path, { method: method.toUpperCase(), headers, body: value ? JSON.stringify(value) : undefined });
    const content = await answer.text();
    shown.textContent = `${answer.status}\n${pretty(content)}`;
  } catch (error) {
    shown.textContent = `${text("failed")} (${error.message})`;
  }
}

function pretty(content) {
  try {
    return JSON.stringify(JSON.parse(content), null, 2);
  } catch {
    return content;
  }
}

function answersView(responses) {
  const rows = Object.entries(responses).map(([status, answer]) => [status, answer.description]);
  const examples = Object.entries(responses).flatMap(([status, answer]) => Object.values(answer.content ?? {}).filter(({ example }) => example).map(({ example }) => [status, example]));
  return [
    table(["", text("docs.meaning")], rows, text("docs.answer")),
    examples.map(([status, example]) => element("details", {}, element("summary", {}, `${text("docs.example")}: ${status}`), element("pre", { tabindex: "0" }, typeof example === "string" ? example : JSON.stringify(example, null, 2)))),
  ];
}

start();
