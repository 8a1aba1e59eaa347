"""The catalogue: names, paths, and downloads without a network."""

from __future__ import annotations

import hashlib
import io
import socket
import zipfile

import pytest

from paddle_tasks import downloads
from paddle_tasks.data.tables import catalogue
from paddle_tasks.data.tables.catalogue import SAMPLES, locate, names
from paddle_tasks.errors import DataError, SetupError

from ... import hub as loopback


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    """PaddleNLP's folder of data sets, with nothing in it yet."""
    from paddlenlp.datasets import chnsenticorp
    from paddlenlp.utils import env

    for module in (env, chnsenticorp):
        monkeypatch.setattr(module, "DATA_HOME", str(tmp_path / "home"))
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "home"


@pytest.fixture
def silent_host():
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_the_names():
    samples = [
        "long_text",
        "news",
        "novel",
        "opinion",
        "sentiment",
        "sentiment_english",
        "sentiment_varied",
        "similarity",
        "translate",
        "word2vec",
    ]
    assert names() == [*(f"builtin/{name}" for name in samples), "chnsenticorp"]


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_a_builtin_name_is_the_file_of_the_split(split):
    assert locate("builtin/sentiment", split) == SAMPLES / "sentiment" / f"{split}.tsv"
    assert locate("builtin/sentiment", split).is_file()


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_books_have_no_file_for_a_split(split):
    assert locate("builtin/novel", split) == SAMPLES / "novel"


def test_a_path_is_itself(tmp_path):
    (tmp_path / "a.tsv").touch()
    assert locate(str(tmp_path / "a.tsv"), "dev") == tmp_path / "a.tsv"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("builtin/sentimnt", r"data\.dev: builtin/sentimnt: no such file.*did you mean 'builtin/sentiment'\?"),
        ("ChnSentiCorp", "no such file, and no data set of that name; did you mean 'chnsenticorp'"),
        ("trian.tsv", "did you mean 'train.tsv'"),
        (".", r"data\.dev: \.: is a folder, expected a file, or a folder of .*ID_RATING\.txt$"),
        ("nowhere/at/all.tsv", r"no such file, and no data set of that name$"),
        ("", "is a folder"),
    ],
)
def test_an_unknown_name_is_refused_with_a_suggestion(tmp_path, monkeypatch, name, message):
    (tmp_path / "train.tsv").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        locate(name, "dev")


def test_a_split_without_labels_is_refused():
    with pytest.raises(DataError, match=r"data\.test: chnsenticorp is published with labels for train and dev only"):
        locate("chnsenticorp", "test")


def test_without_a_network_fetching_ends_soon(empty_home, silent_host, monkeypatch):
    from paddlenlp.datasets import ChnSentiCorp

    monkeypatch.setenv("https_proxy", f"http://{silent_host}")
    monkeypatch.setattr(downloads, "PROBE_SECONDS", 0.2)
    monkeypatch.setattr(ChnSentiCorp, "_get_data", lambda builder, split: pytest.fail("waits for ever"))
    with pytest.raises(SetupError, match=r"data\.train: chnsenticorp could not be .*no answer in time.*local"):
        locate("chnsenticorp", "train")
    assert not empty_home.exists()


def test_a_failed_download_is_reported(empty_home, monkeypatch):
    from paddlenlp.datasets import ChnSentiCorp

    def fail(builder: ChnSentiCorp, split: str) -> None:
        raise RuntimeError("Retry limit reached")

    monkeypatch.setattr(catalogue, "check_reachable", lambda url: None)
    monkeypatch.setattr(catalogue, "download", lambda url, path, md5: None)
    monkeypatch.setattr(ChnSentiCorp, "_get_data", fail)
    with pytest.raises(SetupError, match=r"could not be downloaded \(Retry limit reached\); name a local file"):
        locate("chnsenticorp", "dev")


def test_a_downloaded_file_is_found_without_a_network(empty_home, silent_host, monkeypatch):
    from paddlenlp.datasets import ChnSentiCorp

    monkeypatch.setenv("https_proxy", f"http://{silent_host}")
    path = empty_home / "ChnSentiCorp" / ChnSentiCorp.SPLITS["dev"].file
    path.parent.mkdir(parents=True)
    path.write_text("qid\tlabel\ttext_a\n0\t1\t好\n", encoding="utf-8")
    monkeypatch.setattr(catalogue, "md5_of", lambda name: ChnSentiCorp.SPLITS["dev"].md5)
    assert locate("chnsenticorp", "dev") == path


DEV = "qid\tlabel\ttext_a\n" + "".join(f"{row}\t1\t好的酒店{row}\n" for row in range(500))


@pytest.fixture
def published(empty_home, monkeypatch):
    """A mirror that has a small archive in the layout of ChnSentiCorp, and its checksums."""
    from paddlenlp.datasets import ChnSentiCorp

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for split in ("train", "dev"):
            file.writestr(f"ChnSentiCorp/{split}.tsv", DEV)
        file.writestr("__MACOSX/._dev.tsv", "")  # as in the published one: two folders are unpacked into a third
    checksums = {
        split: meta._replace(md5=hashlib.md5(DEV.encode()).hexdigest()) for split, meta in ChnSentiCorp.SPLITS.items()
    }
    monkeypatch.setattr(ChnSentiCorp, "SPLITS", checksums)
    monkeypatch.setattr(ChnSentiCorp, "MD5", hashlib.md5(archive.getvalue()).hexdigest())
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0)
    with loopback.running() as running:
        monkeypatch.setenv("PPNLP_ENDPOINT", running.url)
        running.files = {"/datasets/ChnSentiCorp.zip": archive.getvalue()}
        yield running


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ([loopback.cut(100), loopback.cut(0), loopback.cut(0)], "the connection broke off after 100 of"),
        ([loopback.damage], "what arrived is damaged"),
        ([loopback.status(404)], "HTTP 404"),
        ([loopback.login_page], "a web page came"),
    ],
)
def test_a_second_try_downloads_the_data(published, faults, reason):
    published.faults = list(faults)
    with pytest.raises(SetupError, match=rf"data\.dev: chnsenticorp could not be downloaded \({reason}.*local file"):
        locate("chnsenticorp", "dev")
    assert locate("chnsenticorp", "dev").read_text(encoding="utf-8") == DEV
    n_asked = len(published.asked)
    assert locate("chnsenticorp", "train").read_text(encoding="utf-8") == DEV
    assert len(published.asked) == n_asked  # the archive has both


def test_a_damaged_file_of_a_data_set_is_unpacked_again(published):
    path = locate("chnsenticorp", "dev")
    path.write_text(DEV[:100], encoding="utf-8")
    assert locate("chnsenticorp", "dev").read_text(encoding="utf-8") == DEV
