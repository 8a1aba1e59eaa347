// Records as elements: each kind of record has a view. The marked texts are the lines that the service returns.

import { bar, element, table } from "./elements.js";
import { percent, text } from "./texts.js";

const FIRST_LABELS = 5;
const COLOURS = ["blue", "orange", "green", "pink"];
const WEAKEST = 0.05;

/** Returns the view of a record. `actions.use(text)` puts a text into the form, `actions.run(text)` computes it, too. */
export function view(model, record, lines, actions) {
  const draw = VIEWS[model.kind] ?? VIEWS.fields;
  const remarks = ["truncated", "unsure"].filter((key) => record[key]);
  const shown = remarks.map((key) => element("p", { class: "remark" }, text(key)));
  return element("article", { class: "record" }, draw(model, record, lines, actions), ...shown);
}

const VIEWS = {
  label: (model, record, lines) => [labelView(model, record), ...marked(lines.map(withoutHeading)), legend(lines)],
  spans: (model, record, lines) => [...marked(lines.slice(0, 1)), spansView(model, record)],
  candidates: (_model, record, lines, actions) => [...marked(lines.slice(0, 1)), masksView(record, actions)],
  variants: (_model, record, lines, actions) => variantsView(record, lines, actions),
  outputs: (_model, record, lines, actions) => outputsView(record, lines, actions),
  fields: (_model, _record, lines) => marked(lines),
};

// ---- marked texts

/** Returns a line without its first segment, which names the label, and the space after it. */
function withoutHeading(line) {
  return line.slice(line[1]?.text.trim() ? 1 : 2);
}

/** Returns lines of segments as paragraphs. */
export function marked(lines) {
  const labels = [...new Set(lines.flat().map((segment) => segment.label).filter(Boolean))].sort();
  return lines.map((line) => element("p", { class: "marked", lang: "zh-CN" }, line.map((segment) => markedSegment(segment, labels))));
}

function markedSegment(segment, labels) {
  if (segment.label) {
    const colour = COLOURS[labels.indexOf(segment.label) % COLOURS.length];
    return element("mark", { class: `span ${colour}` }, segment.text, element("small", {}, segment.label));
  }
  if (segment.change) return element(segment.change === "added" ? "ins" : "del", {}, segment.text);
  if (Math.abs(segment.strength ?? 0) >= WEAKEST) return weighted(segment);
  if (segment.tone) return element("mark", { class: segment.tone }, segment.text);
  return segment.text.replaceAll("\t", "\n"); // the two texts of a pair
}

function weighted(segment) {
  const side = segment.strength > 0 ? "for" : "against";
  const made = element("span", { class: `weight ${side}`, title: segment.strength.toFixed(2) }, segment.text);
  made.style.setProperty("--strength", `${Math.round(70 * Math.abs(segment.strength))}%`);
  return made;
}

function legend(lines) {
  if (!lines.flat().some((segment) => segment.strength)) return null;
  const [supports, opposes] = ["for", "against"].map((side) => {
    const made = element("span", { class: `weight ${side}` }, text(`legend.${side}`));
    made.style.setProperty("--strength", "60%");
    return made;
  });
  return element("p", { class: "legend" }, supports, " ", opposes);
}

// ---- labels

/** Returns the name of a label in the language of the page. */
export function nameOf(model, label) {
  return model.labels[label] ?? label;
}

/** Returns the colour class of a label; polarities have their own, others take turns. */
export function colourOf(label, number) {
  return { positive: "green", negative: "orange", neutral: "grey" }[label] ?? COLOURS[number % COLOURS.length];
}

function labelView(model, record) {
  const sorted = Object.entries(record.probabilities).sort((one, other) => other[1] - one[1]);
  const rows = sorted.map(([label, probability], number) => probabilityRow(model, label, probability, number));
  const heading = element("p", { class: "verdict" }, nameOf(model, record.label), " ", element("span", { class: "hint" }, percent(record.score)));
  const list = element("div", { class: "probabilities", role: "list", tabindex: "-1", "aria-label": text("probability") }, rows.slice(0, FIRST_LABELS));
  const others = rows.slice(FIRST_LABELS);
  if (!others.length) return element("div", {}, heading, list);
  const more = element("button", { type: "button", class: "quiet", onclick: () => { list.append(...others); more.remove(); list.focus(); } }, text("more", { count: rows.length }));
  return element("div", {}, heading, list, more);
}

function probabilityRow(model, label, probability, number) {
  const name = nameOf(model, label);
  return element(
    "div",
    { class: `probability${number ? "" : " first"}`, role: "listitem" },
    element("span", { class: "name" }, name),
    bar([{ share: probability, colour: colourOf(label, 0), title: name }]),
    element("span", { class: "value" }, percent(probability)),
  );
}

// ---- spans

function spansView(model, record) {
  const triplets = record.triplets;
  if (!record.spans.length && !triplets?.length) return element("p", {}, text("none"));
  if (!triplets) {
    const rows = record.spans.map((span) => [span.text, nameOf(model, span.label), percent(span.prob, 0)]);
    return table([text("span"), text("label"), text("probability")], rows, text("spans"));
  }
  const side = (part) => part?.text ?? text("implicit");
  const rows = triplets.map((each) => [side(each.aspect), side(each.opinion), element("mark", { class: each.polarity }, nameOf(model, each.polarity)), percent(each.prob, 0)]);
  return table([text("triplet.aspect"), text("triplet.opinion"), text("triplet.polarity"), text("probability")], rows, text("triplets"));
}

// ---- masks

function masksView(record, actions) {
  const groups = record.masks.map((mask, number) => element(
    "div",
    { class: "candidates", role: "group", "aria-label": text("candidates", { number: number + 1 }) },
    element("span", { class: "hint" }, text("candidates", { number: number + 1 })),
    mask.candidates.map((candidate) => candidateButton(candidate, actions)),
  ));
  const rows = record.fillings.map((filling) => [filling.text, percent(filling.prob)]);
  return element("div", {}, groups, record.masks.length > 1 ? table([text("text"), text("probability")], rows, text("fillings")) : null);
}

function candidateButton(candidate, actions) {
  const choose = () => (candidate.sequence.includes("[MASK]") ? actions.run(candidate.sequence) : actions.use(candidate.sequence));
  const share = element("small", {}, percent(candidate.prob));
  return element("button", { type: "button", class: "candidate", lang: "zh-CN", onclick: choose }, candidate.token, " ", share);
}

// ---- variants and outputs

function variantsView(record, lines, actions) {
  const found = record.variants.map((variant, number) => element(
    "section",
    { class: "variant", "aria-label": text("variant", { number: number + 1 }) },
    marked([lines[number].slice(0, -1)]),
    element("div", { class: "actions" },
      element("span", { class: "hint" }, text("variant.similarity", { value: variant.similarity.toFixed(2) })),
      element("button", { type: "button", class: "quiet", onclick: () => actions.use(variant.text) }, text("use"))),
  ));
  return [...found, record.note ? element("p", { class: "remark" }, record.note) : null];
}

function outputsView(record, lines, actions) {
  const written = record.outputs.length === 1 ? record.input + record.outputs[0].text : null;
  const continues = lines.length && lines[0].length > 1 && written !== null;
  const button = continues ? element("button", { type: "button", class: "quiet", onclick: () => actions.run(written) }, text("continue")) : null;
  return [...marked(lines), button ? element("div", { class: "actions" }, button) : null];
}
