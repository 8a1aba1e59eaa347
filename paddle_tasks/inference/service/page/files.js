// Files of texts, read in the browser.

export const MAX_FILE_TEXTS = 2000;
const NAMES = ["text", "review", "content", "sentence", "comment", "title", "评论", "文本", "内容", "句子", "标题"];

/** Returns the texts of a file: those of a column with a usual name, else of the longest column, else its lines. */
export async function readTexts(file) {
  const content = decode(await file.arrayBuffer());
  const suffix = file.name.toLowerCase().split(".").pop();
  if (suffix === "jsonl" || suffix === "json") return clean(jsonTexts(content));
  if (suffix === "csv" || suffix === "tsv") return clean(columnTexts(parseTable(content, suffix === "tsv" ? "\t" : ",")));
  return clean(content.split(/\r\n|\r|\n/));
}

function decode(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("gb18030").decode(bytes);
  }
}

function clean(texts) {
  return texts.map((each) => each.trim()).filter(Boolean);
}

function jsonTexts(content) {
  const parsed = content.trimStart().startsWith("[") ? JSON.parse(content) : content.split("\n").filter((line) => line.trim()).map((line) => JSON.parse(line));
  return parsed.map((row) => (typeof row === "string" ? row : String(row[NAMES.find((name) => name in row)] ?? "")));
}

/** Returns the rows of a table whose cells may be quoted, as in RFC 4180. */
export function parseTable(content, separator) {
  const rows = [[]];
  let cell = "", quoted = false;
  for (let place = 0; place < content.length; place += 1) {
    const character = content[place];
    if (quoted) {
      if (character !== '"') cell += character;
      else if (content[place + 1] === '"') { cell += '"'; place += 1; } else quoted = false;
    } else if (character === '"' && cell === "") quoted = true;
    else if (character === separator) { rows.at(-1).push(cell); cell = ""; }
    else if (character === "\n") { rows.at(-1).push(cell.replace(/\r$/, "")); cell = ""; rows.push([]); }
    else cell += character;
  }
  rows.at(-1).push(cell.replace(/\r$/, ""));
  return rows.filter((row) => row.some(Boolean));
}

function columnTexts(rows) {
  if (!rows.length) return [];
  const header = rows[0].map((name) => name.trim().toLowerCase().replace(/^\ufeff/, ""));
  const named = header.findIndex((name) => NAMES.includes(name));
  if (named >= 0) return rows.slice(1).map((row) => row[named] ?? "");
  const lengths = rows[0].map((_cell, column) => rows.reduce((sum, row) => sum + (row[column] ?? "").length, 0));
  const longest = lengths.indexOf(Math.max(...lengths));
  return rows.map((row) => row[longest] ?? "");
}
