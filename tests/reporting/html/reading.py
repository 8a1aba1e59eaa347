"""Pages read back: the tree of their elements, checked as it is built."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "img", "input", "hr"}
_LOADED = ("src", "srcset", "data", "poster", "background", "action", "xlink:href")


class Page(HTMLParser):
    """A page whose elements are closed in order.

    Attributes:
        problems: what is wrong with it.
        ids: the addresses of its parts.
        links: the targets of its links.
        loads: what a browser would load to show it.
        headings: the texts of its headings.
        texts: all texts outside of style.
        names: the number of elements of each name.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.headings: list[str] = []
        self.texts: list[str] = []
        self.names: dict[str, int] = {}
        self._open: list[str] = []
        if not text.startswith("<!doctype html>\n"):
            self.problems.append("no doctype")
        self.feed(text)
        self.close()
        self.problems += [f"<{name}> is not closed" for name in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element, unless it has no content."""
        self._see(tag, attrs)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See an element of SVG that ends at once."""
        self._see(tag, attrs)
        if "svg" not in self._open:
            self.problems.append(f"<{tag}/> outside of SVG")

    def _see(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names[tag] = self.names.get(tag, 0) + 1
        values = dict(attrs)
        if len(values) < len(attrs):
            self.problems.append(f"<{tag}> repeats an attribute")
        self.loads += [f"{tag} {name}={values[name]}" for name in _LOADED if values.get(name)]
        self.loads += [f"{tag} href={values['href']}" for name in ("link", "use", "image") if tag == name]
        self.problems += [f"<{tag}> has a script: {name}" for name in values if name.startswith("on")]
        if "id" in values:
            self.ids.append(str(values["id"]))
        if tag == "a":
            self.links.append(str(values.get("href")))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which has to be of this name."""
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()} closes another element")

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        if self._open and self._open[-1] == "style":
            self.loads += [data] if "url(" in data or "@import" in data else []
            return
        self.texts.append(data)
        if self._open and self._open[-1] in {"h1", "h2"}:
            self.headings.append(data.strip())

    @property
    def text(self) -> str:
        """All texts with single spaces."""
        return " ".join(" ".join(self.texts).split())
