"""Kinds of files that are no text, recognised by their first bytes."""

from __future__ import annotations

import io
import zipfile

from paddle_tasks.language import _, join, mark

_SAVE = mark("open it in a spreadsheet program and save it as CSV (UTF-8)")
_UNPACK = mark("unpack it")
_WRITE = mark("write it as CSV or JSON lines")
_WRITE_PARQUET = mark("write it as CSV or JSON lines, as pandas.read_parquet(FILE).to_csv(NEW, index=False) does")
_SAVE_OR_WRITE = mark("open it in a spreadsheet program and save it as CSV (UTF-8), or write it as CSV or JSON lines")
_SIGNATURES = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", mark("an Excel workbook (.xls) or another old Office file"), _SAVE),
    (b"PAR1", mark("a Parquet file"), _WRITE_PARQUET),
    (b"ARROW1", mark("an Arrow or Feather file"), _WRITE),
    (b"FEA1", mark("a Feather file"), _WRITE),
    (b"\x89HDF", mark("an HDF5 file"), _WRITE),
    (b"\x93NUMPY", mark("a NumPy file (.npy)"), _WRITE),
    (b"SQLite format 3", mark("an SQLite database"), _WRITE),
    (b"\x80\x02", mark("a Python pickle"), _WRITE),
    (b"\x80\x03", mark("a Python pickle"), _WRITE),
    (b"\x80\x04\x95", mark("a Python pickle"), _WRITE),
    (b"\x80\x05\x95", mark("a Python pickle"), _WRITE),
    (b"Rar!", mark("a RAR archive"), _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", mark("a 7z archive"), _UNPACK),
    (b"BZh", mark("a bzip2 file"), _UNPACK),
    (b"\xfd7zXZ", mark("an xz file"), _UNPACK),
    (b"\x28\xb5\x2f\xfd", mark("a Zstandard file"), _UNPACK),
    (b"%PDF", mark("a PDF document"), mark("copy its text to a text file")),
    (b"{\\rtf", mark("an RTF document"), mark("save it as plain text (UTF-8)")),
    (b"\x89PNG", mark("a PNG picture"), mark("name a text file")),
    (b"\xff\xd8\xff", mark("a JPEG picture"), mark("name a text file")),
    (b"version https://git-lfs", mark("a Git LFS pointer, not the file itself"), mark("fetch it with git lfs pull")),
    (b"<!doctype html", mark("a web page (HTML)"), _SAVE),
    (b"<html", mark("a web page (HTML)"), _SAVE),
    (b"<?xml", mark("an XML file"), _SAVE_OR_WRITE),
)
_ZIP = b"PK\x03\x04"
_ZIP_CONTENTS = (
    ("xl/", mark("an Excel workbook (.xlsx)"), _SAVE),
    ("word/", mark("a Word document (.docx)"), mark("save it as plain text (UTF-8)")),
    ("data.pkl", mark("a PyTorch file"), mark("name a text file")),
    ("content.xml", mark("an OpenDocument file"), _SAVE),
)
_START_BYTES = 4096
_TAR_OFFSET = 257
_MAX_NUL_SHARE = 0.05


def foreign_kind(content: bytes, encoding: str) -> str:
    """Return what a file is that is no text, and what to do about it; an empty string for a text.

    Args:
        content: the file's content.
        encoding: the encoding that the text has; only UTF-16 and UTF-32 contain many NUL bytes.
    """
    start = content[:_START_BYTES]
    if start.startswith(_ZIP):
        return _zip_kind(content)
    if start[_TAR_OFFSET:].startswith(b"ustar"):
        return _advise(mark("a tar archive"), _UNPACK)
    beginning = start.lstrip().lower() if start.lstrip().startswith(b"<") else start
    for signature, kind, remedy in _SIGNATURES:
        if beginning.startswith(signature):
            return _advise(kind, remedy)
    is_wide = "16" in encoding or "32" in encoding
    if not is_wide and start.count(0) > _MAX_NUL_SHARE * len(start):
        return _("a binary file, or UTF-16 without a byte-order mark; for UTF-16 set data.encoding=utf-16-le")
    return ""


def _advise(kind: str, remedy: str) -> str:
    return _("{kind}; {remedy}").format(kind=_(kind), remedy=_(remedy))


def _zip_kind(content: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return _(
            "a damaged zip file or Excel workbook; open it in a spreadsheet program and save it as CSV (UTF-8), or "
            "unpack it"
        )
    for part, kind, remedy in _ZIP_CONTENTS:
        if any(name.startswith(part) or name.endswith(f"/{part}") for name in names):
            return _advise(kind, remedy)
    more = " …" if len(names) > 3 else ""
    return _("a zip archive of {files}; unpack it").format(files=join(names[:3]) + more)
