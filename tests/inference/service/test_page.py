"""The page: its files, and what it shows of a service in a headless Chromium."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path

import pytest

from paddle_tasks.inference.service import pages
from paddle_tasks.inference.service.limits import Limits
from paddle_tasks.inference.service.models import load_models
from paddle_tasks.inference.service.options import OPTIONS
from paddle_tasks.tasks import CLASSES

from ...reporting.vdl.chromium import BROWSER, start_chromium
from .serving import running

FOLDER = Path(pages.__file__).parent / "page"
FILES = sorted(path.name for path in FOLDER.iterdir())
DROP = """(() => {
  const files = new DataTransfer();
  files.items.add(new File([%s], "reviews.csv"));
  document.querySelector("#drop").dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true}));
})()"""
IDLE = "document.querySelector('#run').getAttribute('aria-disabled') !== 'true'"
in_a_browser = [
    pytest.mark.long,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium: neither chromium, chromium-browser nor google-chrome"),
]


def read(name):
    return (FOLDER / name).read_text(encoding="utf-8")


# ---- the files


def test_each_file_is_served():
    assert sorted(set(pages.FILES.values())) == FILES


@pytest.mark.parametrize("name", FILES)
def test_nothing_comes_from_elsewhere(name):
    addresses = set(re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\s\"']*", read(name))) - {"http://www.w3.org/2000/svg"}
    assert not addresses
    assert "style=" not in read(name)  # the policy forbids it
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", read(name))


@pytest.mark.parametrize("name", FILES)
def test_no_task_is_named(name):
    assert not set(re.findall(r"""["'`](\w+)["'`]""", read(name))) & set(CLASSES)


def texts_of(language):
    content = re.search(rf"^  {language}: \{{\n(.*?)^  \}},", read("texts.js"), re.DOTALL | re.MULTILINE)[1]
    return dict(re.findall(r'^    "([\w.]+)": "(.*)",$', content, re.MULTILINE))


def test_both_languages_have_all_texts():
    english, chinese = texts_of("en"), texts_of("zh")
    assert list(english) == list(chinese)
    for name, text in english.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", chinese[name])), name
    used = {name for file in FILES if file.endswith(".js") for name in re.findall(r'\btext\("([\w.]+)"', read(file))}
    assert used <= english.keys()
    assert {f"option.{name}" for name in OPTIONS} <= english.keys()


# ---- in a browser


@pytest.fixture(scope="module")
def service():
    with running(
        load_models(["sentiment", "opinion", "fill-mask", "rewrite", "novel", "news"], "cpu"), Limits(seconds=180)
    ) as client:
        yield client


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with start_chromium(tmp_path_factory.mktemp("browser") / "profile") as browser:
        yield browser


def click(page, selector):
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def shown(page, selector="#results"):
    return page.run(f"document.querySelector({json.dumps(selector)}).innerText")


def all_shown(page, selector):
    return page.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((each) => each.innerText)")


def answered(page):
    page.wait_for(f"document.querySelector('#results .record') && {IDLE}")
    assert page.run("document.querySelector('.problem')?.innerText ?? null") is None


@contextmanager
def opened(chromium, service, name, language="en"):
    with chromium.open(f"http://127.0.0.1:{service.port}/?lang={language}#{name}") as page:
        page.wait_for("document.querySelector('#run')")
        yield page


def run_first_example(page):
    click(page, "#run")
    answered(page)


class TestInABrowser:
    pytestmark = in_a_browser

    def test_a_label(self, chromium, service):
        with opened(chromium, service, "sentiment", "zh") as page:
            run_first_example(page)
            assert shown(page, ".verdict").startswith("负面")
            assert all_shown(page, ".probability .name") == ["负面", "正面"]
            assert page.run("document.querySelectorAll('.marked .weight').length") > 3
            assert page.run("document.querySelector('.marked').textContent") == "房间干净，就是早餐太差了"
            colours = page.run(
                "[...document.querySelectorAll('.part')].map((p) => getComputedStyle(p).backgroundColor)"
            )
            assert colours == ["rgb(213, 94, 0)", "rgb(0, 158, 115)"]

    def test_spans(self, chromium, service):
        with opened(chromium, service, "opinion") as page:
            run_first_example(page)
            assert all_shown(page, ".marked mark small") == ["aspect", "opinion", "aspect", "opinion"]
            rows = page.run(
                "[...document.querySelectorAll('tbody tr')].map((r) => [...r.cells].map((c) => c.innerText))"
            )
            assert [row[:3] for row in rows] == [["房间", "干净", "positive"], ["早餐", "太差", "negative"]]

    def test_candidates(self, chromium, service):
        with opened(chromium, service, "fill-mask") as page:
            page.run("document.querySelectorAll('.example')[2].click()")
            answered(page)
            assert page.run("document.querySelectorAll('.candidates').length") == 2
            click(page, ".candidate")  # there is another mask, so that the text is computed again
            page.wait_for("document.querySelectorAll('.candidates').length === 1")
            answered(page)
            click(page, ".candidate")
            assert "[MASK]" not in page.run("document.querySelector('textarea').value")

    def test_variants(self, chromium, service):
        with opened(chromium, service, "rewrite") as page:
            run_first_example(page)
            assert page.run("document.querySelectorAll('.variant ins').length") >= 3
            kept = "[...document.querySelector('.variant .marked').childNodes].filter((n) => n.tagName !== 'DEL')"
            text = page.run(f"{kept}.map((n) => n.textContent).join('')")
            click(page, ".variant button")
            assert page.run("document.querySelector('textarea').value") == text

    def test_a_text_grows_and_can_be_stopped(self, chromium, service):
        with opened(chromium, service, "novel") as page:
            page.run("document.querySelector('#option-max_new_tokens').value = 1000")
            click(page, "#run")
            page.wait_for("document.querySelector('.growing mark')?.textContent.length > 2")
            length = page.run("document.querySelector('.growing mark').textContent.length")
            page.wait_for(f"document.querySelector('.growing mark').textContent.length > {length}")
            click(page, "#stop")
            page.wait_for(IDLE)
            assert shown(page, ".status") == "Stopped."
        service.wait_until(lambda health: health["streams"] == 0)

    def test_a_text_is_written_to_its_end(self, chromium, service):
        with opened(chromium, service, "novel") as page:
            page.run("document.querySelector('#option-max_new_tokens').value = 12")
            run_first_example(page)
            options = {"max_new_tokens": 12, "top_k": 20, "temperature": 0.8}
            record = service.predict("话说宝玉", model="novel", options=options).json["records"][0]
            assert page.run("document.querySelector('mark.new, mark').textContent") == record["outputs"][0][
                "text"
            ].replace("\n", "")

    def test_a_file_that_is_dropped(self, chromium, service):
        rows = 'id,text\n1,房间干净，但是\n2,"房间很干净，早餐太差"\n3,"房间太小"\n'
        with opened(chromium, service, "opinion") as page:
            page.wait_for("document.querySelector('#drop')")
            page.run(DROP % json.dumps(rows))
            page.wait_for("document.querySelector('.summary')")
            assert shown(page, ".status") == "3 texts of reviews.csv"
            assert "房间" in all_shown(page, ".chart .name")
            saved = page.run(
                "fetch(document.querySelector('a[download]').href).then((a) => a.text()).catch(() => null)"
            )
            assert saved is None or len(saved.splitlines()) == 3  # the policy allows no request but to the service

    def test_the_keyboard(self, chromium, service):
        with opened(chromium, service, "sentiment") as page:
            page.run("document.querySelector('[role=tab][aria-selected=true]').focus()")
            page.press("ArrowRight")
            assert page.run("document.activeElement.innerText") == "opinion"
            assert page.run("document.activeElement.getAttribute('aria-selected')") == "true"
            reached = []
            for _ in range(20):
                page.press("Tab")
                reached.append(page.run("document.activeElement.id || document.activeElement.className"))
            assert {"text-0", "run", "example", "file"} <= set(reached)

    def test_the_focus_stays_where_it_was(self, chromium, service):
        with opened(chromium, service, "news") as page:
            page.run("document.querySelector('#run').focus()")
            run_first_example(page)
            assert page.run("document.activeElement.id") == "run"
            page.run("document.querySelector('.probabilities + button').focus()")
            click(page, ".probabilities + button")
            assert page.run("document.activeElement.className") == "probabilities"
            assert len(all_shown(page, ".probability")) == 10

    def test_another_language_keeps_the_text(self, chromium, service):
        with opened(chromium, service, "sentiment") as page:
            page.run("document.querySelector('textarea').value = '太吵了'")
            click(page, "#languages [lang=zh]")
            page.wait_for("document.querySelector('#run').innerText === '运行'")
            page.wait_for("document.activeElement.lang === 'zh'")
            assert page.run("document.querySelector('textarea').value") == "太吵了"
            assert page.run("document.title") == "sentiment – paddle_tasks"
            assert page.run("document.querySelector('#option-top_k').placeholder") == "默认"

    def test_options_that_change_nothing_are_left_out(self, chromium, service):
        with opened(chromium, service, "opinion") as page:
            assert page.run("document.querySelector('#option-explain') === null")
            click(page, "#tab-0")
            assert page.run("document.querySelector('#option-explain').checked") is True

    def test_every_tab_is_in_sight_on_a_phone(self, chromium, service):
        with opened(chromium, service, "sentiment") as page:
            page.resize(390, 900)
            ends = page.run(
                "[...document.querySelectorAll('[role=tab]')].map((tab) => tab.getBoundingClientRect().right)"
            )
            assert len(ends) == 6
            assert max(ends) <= 390

    def test_an_error_is_shown(self, chromium, service):
        with opened(chromium, service, "fill-mask") as page:
            page.run("document.querySelector('textarea').value = '没有空'")
            click(page, "#run")
            page.wait_for("document.querySelector('.status.problem')")
            assert "[MASK]" in shown(page, ".status")

    @pytest.mark.parametrize("width", [390, 1280])
    @pytest.mark.parametrize("name", ["sentiment", "opinion", "novel"])
    def test_nothing_is_wider_than_the_window(self, chromium, service, name, width):
        with opened(chromium, service, name) as page:
            page.resize(width, 900)
            assert page.run("document.documentElement.scrollWidth") <= width

    def test_the_description(self, chromium, service):
        with chromium.open(f"http://127.0.0.1:{service.port}/docs?lang=zh") as page:
            page.wait_for("document.querySelectorAll('.operation').length === 4")
            page.run("document.querySelectorAll('.operation')[3].querySelector('button').click()")
            page.wait_for('document.body.innerText.includes(\'"status": "ok"\')')
