// Elements of a page. Texts become text nodes, never HTML.

/** Returns a new element; attributes that begin with "on" are listeners, and false or null ones are left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

/** Replaces the children of an element. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
}

/** Returns a table with a header; a cell is a text, a number, which is aligned right, or an element. */
export function table(columns, rows, caption) {
  const cell = (value) => element("td", { class: typeof value === "number" ? "number" : null }, value instanceof Node ? value : String(value));
  return element(
    "div",
    { class: "scrolled", tabindex: "0", role: "region", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, columns.map((name, number) => element("th", { scope: "col", class: typeof rows[0]?.[number] === "number" ? "number" : null }, name)))),
      element("tbody", {}, rows.map((row) => element("tr", {}, row.map(cell)))),
    ),
  );
}

/** Returns a bar of parts, each with a share of the width, a colour class and a title. */
export function bar(parts) {
  return element("div", { class: "bar", "aria-hidden": "true" }, parts.filter(({ share }) => share > 0).map(({ share, colour, title }) => {
    const part = element("span", { class: `part ${colour}`, title });
    part.style.width = `${100 * share}%`;
    return part;
  }));
}

/** Returns a text whose parts in backquotes are code. */
export function withCode(text) {
  return text.split("`").map((part, number) => (number % 2 ? element("code", {}, part) : part));
}
