"""A hook of MkDocs: the buttons and the search of a page speak the language of the page."""

from __future__ import annotations

from typing import Any


def on_page_context(context: dict[str, Any], page: Any, config: Any, nav: Any) -> dict[str, Any]:
    """Set the language of the theme before a page is rendered."""
    del nav
    config.theme["language"] = "zh" if page.file.src_uri.startswith("zh/") else "en"
    return context
