// The summary of many records: a bar for each label, or for each aspect by the polarities of its opinions.

import { bar, element, table } from "./elements.js";
import { colourOf, nameOf } from "./records.js";
import { percent, text } from "./texts.js";

const MAX_BARS = 15;
const MAX_ROWS = 50;
const POLARITIES = ["positive", "neutral", "negative"];

/** Returns the summary of the records of a model. */
export function summary(model, records) {
  const parts = model.kind === "spans" ? ofAspects(model, records) : ofLabels(model, records);
  return element("section", { class: "record summary", "aria-label": text("summary") }, element("h2", {}, text("summary")), parts, rowsOf(model, records));
}

function ofLabels(model, records) {
  const groups = Map.groupBy ? Map.groupBy(records, (record) => record.label) : grouped(records);
  const sorted = [...groups].sort((one, other) => other[1].length - one[1].length);
  const rows = sorted.map(([label, members]) => {
    const score = members.reduce((sum, record) => sum + record.score, 0) / members.length;
    return [nameOf(model, label), members.length, percent(members.length / records.length), percent(score)];
  });
  const bars = sorted.map(([label, members], number) => chartRow(nameOf(model, label), [
    { share: members.length / records.length, colour: colourOf(label, number), title: nameOf(model, label) },
  ], members.length));
  const columns = [text("label"), text("summary.count"), text("summary.share"), text("summary.score")];
  return [element("div", { class: "chart" }, bars), table(columns, rows, text("label"))];
}

function grouped(records) {
  const groups = new Map();
  for (const record of records) groups.set(record.label, [...(groups.get(record.label) ?? []), record]);
  return groups;
}

// ---- aspects

function ofAspects(model, records) {
  const aspects = countAspects(records);
  if (!aspects.length) return [element("p", {}, text("none"))];
  const largest = Math.max(...aspects.map(({ total }) => total));
  const seen = POLARITIES.filter((polarity) => aspects.some(({ counts }) => counts[polarity]));
  const bars = aspects.slice(0, MAX_BARS).map(({ name, total, counts }) => chartRow(name, seen.map((polarity, number) => ({
    share: (counts[polarity] ?? 0) / largest, colour: colourOf(polarity, number), title: `${nameOf(model, polarity)} ${counts[polarity] ?? 0}`,
  })), total));
  const keys = element("p", { class: "legend" }, seen.map((polarity, number) => element("span", { class: `key ${colourOf(polarity, number)}` }, nameOf(model, polarity))));
  const rows = aspects.slice(0, MAX_BARS).map(({ name, total, counts, opinions }) => [name, total, ...seen.map((each) => counts[each] ?? 0), typical(opinions)]);
  const columns = [text("triplet.aspect"), text("summary.mentions"), ...seen.map((each) => nameOf(model, each)), text("triplet.opinion")];
  return [keys, element("div", { class: "chart" }, bars), table(columns, rows, text("triplets"))];
}

/** Returns the aspects of all triplets, the most frequent first; spellings that differ in case or width are one. */
function countAspects(records) {
  const found = new Map();
  for (const { aspect, opinion, polarity } of records.flatMap((record) => record.triplets ?? [])) {
    const name = aspect?.text ?? text("implicit");
    const key = name.normalize("NFKC").toLowerCase();
    const entry = found.get(key) ?? { name, total: 0, counts: {}, opinions: {} };
    entry.total += 1;
    entry.counts[polarity] = (entry.counts[polarity] ?? 0) + 1;
    if (opinion) entry.opinions[opinion.text] = (entry.opinions[opinion.text] ?? 0) + 1;
    found.set(key, entry);
  }
  return [...found.values()].sort((one, other) => other.total - one.total);
}

function typical(opinions) {
  const sorted = Object.entries(opinions).sort((one, other) => other[1] - one[1]);
  return sorted.slice(0, 3).map(([name, count]) => `${name} ${count}`).join("、");
}

// ---- parts

function chartRow(name, parts, count) {
  return element("div", { class: "probability" }, element("span", { class: "name" }, name), bar(parts), element("span", { class: "value" }, String(count)));
}

function rowsOf(model, records) {
  const shown = records.slice(0, MAX_ROWS);
  const answer = (record) => (model.kind === "spans"
    ? (record.triplets ?? record.spans).map((each) => (each.opinion ? `${each.aspect?.text ?? text("implicit")} ${each.opinion.text}` : each.text)).join("、")
    : `${nameOf(model, record.label)} ${percent(record.score, 0)}`);
  const rows = shown.map((record, number) => [number + 1, answer(record), record.input]);
  const caption = text("summary.rows", { count: shown.length });
  return element("details", {}, element("summary", {}, caption), table(["", text(`kind.${model.kind}`), text("text")], rows, caption));
}
