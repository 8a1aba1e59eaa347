"""The catalogue: names, paths, and downloads without a network."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from paddle_tasks.data.tables import catalogue
from paddle_tasks.data.tables.catalogue import SAMPLES, locate, names
from paddle_tasks.errors import DataError, SetupError


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
    monkeypatch.setattr(catalogue, "PROBE_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(ChnSentiCorp, "_get_data", lambda builder, split: pytest.fail("waits for ever"))
    with pytest.raises(SetupError, match=r"data\.train: chnsenticorp could not be downloaded .*timed out.*local"):
        locate("chnsenticorp", "train")
    assert not empty_home.exists()


def test_a_failed_download_is_reported(empty_home, monkeypatch):
    from paddlenlp.datasets import ChnSentiCorp

    def fail(builder: ChnSentiCorp, split: str) -> None:
        raise RuntimeError("Retry limit reached")

    monkeypatch.setattr(catalogue.urllib.request, "urlopen", lambda request, timeout: SimpleNamespace(close=int))
    monkeypatch.setattr(ChnSentiCorp, "_get_data", fail)
    with pytest.raises(SetupError, match=r"could not be downloaded \(Retry limit reached\); name a local file"):
        locate("chnsenticorp", "dev")


def test_a_downloaded_file_is_found_without_a_network(empty_home, silent_host, monkeypatch):
    from paddlenlp.datasets import ChnSentiCorp, chnsenticorp

    monkeypatch.setenv("https_proxy", f"http://{silent_host}")
    path = empty_home / "ChnSentiCorp" / ChnSentiCorp.SPLITS["dev"].file
    path.parent.mkdir(parents=True)
    path.write_text("qid\tlabel\ttext_a\n0\t1\t好\n", encoding="utf-8")
    monkeypatch.setattr(chnsenticorp, "md5file", lambda name: ChnSentiCorp.SPLITS["dev"].md5)
    assert locate("chnsenticorp", "dev") == path
