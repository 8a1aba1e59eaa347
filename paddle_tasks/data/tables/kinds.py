"""Kinds of files that are no text, recognised by their first bytes."""

from __future__ import annotations

import io
import zipfile

_SAVE = "open it in a spreadsheet program and save it as CSV (UTF-8)"
_UNPACK = "unpack it"
_WRITE = "write it as CSV or JSON lines"
_SIGNATURES = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (.xls) or another old Office file", _SAVE),
    (b"PAR1", "a Parquet file", f"{_WRITE}, as pandas.read_parquet(FILE).to_csv(NEW, index=False) does"),
    (b"ARROW1", "an Arrow or Feather file", _WRITE),
    (b"FEA1", "a Feather file", _WRITE),
    (b"\x89HDF", "an HDF5 file", _WRITE),
    (b"\x93NUMPY", "a NumPy file (.npy)", _WRITE),
    (b"SQLite format 3", "an SQLite database", _WRITE),
    (b"\x80\x02", "a Python pickle", _WRITE),
    (b"\x80\x03", "a Python pickle", _WRITE),
    (b"\x80\x04\x95", "a Python pickle", _WRITE),
    (b"\x80\x05\x95", "a Python pickle", _WRITE),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"BZh", "a bzip2 file", _UNPACK),
    (b"\xfd7zXZ", "an xz file", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file", _UNPACK),
    (b"%PDF", "a PDF document", "copy its text to a text file"),
    (b"{\\rtf", "an RTF document", "save it as plain text (UTF-8)"),
    (b"\x89PNG", "a PNG picture", "name a text file"),
    (b"\xff\xd8\xff", "a JPEG picture", "name a text file"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch it with git lfs pull"),
    (b"<!doctype html", "a web page (HTML)", _SAVE),
    (b"<html", "a web page (HTML)", _SAVE),
    (b"<?xml", "an XML file", f"{_SAVE}, or {_WRITE}"),
)
_ZIP = b"PK\x03\x04"
_ZIP_CONTENTS = (
    ("xl/", "an Excel workbook (.xlsx)", _SAVE),
    ("word/", "a Word document (.docx)", "save it as plain text (UTF-8)"),
    ("data.pkl", "a PyTorch file", "name a text file"),
    ("content.xml", "an OpenDocument file", _SAVE),
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
        return f"a tar archive; {_UNPACK}"
    beginning = start.lstrip().lower() if start.lstrip().startswith(b"<") else start
    for signature, kind, remedy in _SIGNATURES:
        if beginning.startswith(signature):
            return f"{kind}; {remedy}"
    is_wide = "16" in encoding or "32" in encoding
    if not is_wide and start.count(0) > _MAX_NUL_SHARE * len(start):
        return "a binary file, or UTF-16 without a byte-order mark; for UTF-16 set data.encoding=utf-16-le"
    return ""


def _zip_kind(content: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return f"a damaged zip file or Excel workbook; {_SAVE}, or {_UNPACK}"
    for part, kind, remedy in _ZIP_CONTENTS:
        if any(name.startswith(part) or name.endswith(f"/{part}") for name in names):
            return f"{kind}; {remedy}"
    return f"a zip archive of {', '.join(names[:3])}{' …' if len(names) > 3 else ''}; {_UNPACK}"
