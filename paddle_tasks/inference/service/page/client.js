// Requests to the service.

import { currentLanguage, text } from "./texts.js";

const MAX_TRIES = 20;

/** A request that was answered with an error. */
export class ServiceError extends Error {
  constructor(message, status = 0, retrySeconds = null) {
    super(message);
    this.status = status;
    this.retrySeconds = retrySeconds;
  }
}

async function ask(path, body, signal) {
  const headers = { "Accept-Language": currentLanguage() };
  const options = body ? { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) } : { headers };
  let answer;
  try {
    answer = await fetch(path, { ...options, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError(text("failed"));
  }
  if (answer.ok) return answer;
  const found = await answer.json().catch(() => null);
  throw new ServiceError(explain(found?.error) ?? `HTTP ${answer.status}`, answer.status, answer.headers.get("Retry-After"));
}

/** Returns what is wrong with a request; the page has one text, whose number says nothing to a reader. */
export function explain(error) {
  const [first, ...others] = error?.fields ?? [];
  return first && !others.length && first.field.startsWith("text") ? first.problem : error?.message;
}

/** Returns the models with their options, and the limits of requests. */
export async function readModels() {
  return (await ask("/v1/models")).json();
}

/** Returns the records of texts, and each as lines of segments. */
export async function predict(model, texts, options, signal) {
  return (await ask("/v1/predict", { model, texts, options, lines: true }, signal)).json();
}

/** As `predict`, but tries again when the service is busy. */
export async function predictPatiently(model, texts, options, signal) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await predict(model, texts, options, signal);
    } catch (error) {
      if (error.status !== 429 || tries === MAX_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * (Number(error.retrySeconds) || 1)));
    }
  }
}

/** Yields the events of a text that is written: ["", {text}] for each piece, ["end", {record, lines}] at the end. */
export async function* stream(model, input, options, signal) {
  const answer = await ask("/v1/stream", { model, text: input, options }, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (waiting + value).split("\n\n");
    waiting = events.pop();
    for (const event of events) yield parse(event);
  }
}

function parse(event) {
  const fields = Object.fromEntries(event.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
  return [fields.event ?? "", JSON.parse(fields.data)];
}
