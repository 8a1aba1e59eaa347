"""The catalogue has every message, its translations fit, and the language is that of the user."""

from __future__ import annotations

import re
from collections import Counter
from string import Formatter

import pytest

from paddle_tasks import language
from paddle_tasks.errors import UserError
from paddle_tasks.language import _, in_context, label_name, plural
from tests import catalogue

CATALOGUE = catalogue.read()
CHINESE = re.compile(r"[一-鿿]")


def forms(string: str | tuple[str, ...] | list[str]) -> list[str]:
    return [string] if isinstance(string, str) else list(string)


def placeholders(text: str) -> Counter[str]:
    """Return the replacement fields of a message with how often each occurs, formats included."""
    return Counter(f"{name}:{spec}!{form}" for _text, name, spec, form in Formatter().parse(text) if name is not None)


def test_no_message_lacks_its_translation():
    assert catalogue.update(catalogue.read()) == [], "run: make catalogue"


def test_the_catalogue_has_nothing_that_the_code_has_not():
    updated = catalogue.read()
    catalogue.update(updated)
    assert {(m.id, m.context) for m in CATALOGUE} == {(m.id, m.context) for m in updated}, "run: make catalogue"


def test_the_compiled_catalogue_is_that_of_the_text():
    assert catalogue.compiled(CATALOGUE) == catalogue.MO.read_bytes(), "run: make catalogue"


def test_translations_have_the_values_of_their_messages():
    for message in CATALOGUE:
        if message.id and "{" in str(message.id):
            expected = placeholders(forms(message.id)[-1])
            for translation in forms(message.string):
                assert placeholders(translation) == expected, message.id


def test_translations_are_chinese():
    # Messages without letters, and names that are the same in both languages, stay as they are.
    same = [message.id for message in CATALOGUE if message.id and not CHINESE.search("".join(forms(message.string)))]
    assert [text for text in same if re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", str(text))] == []


def test_a_catalogue_without_a_translation_is_noticed():
    lacking = catalogue.read()
    next(message for message in lacking if message.id).string = ""
    assert len(catalogue.update(lacking)) == 1


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PADDLE_TASKS_LANGUAGE": "zh", "LANG": "en_US.UTF-8"}, "zh"),
        ({"PADDLE_TASKS_LANGUAGE": "en", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"PADDLE_TASKS_LANGUAGE": "fr", "LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_TW.UTF-8", "LANG": "de_DE"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_the_language_is_the_chosen_one_or_that_of_the_locale(monkeypatch, variables, expected):
    for name in ("PADDLE_TASKS_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language.current() == expected


@pytest.mark.usefixtures("in_chinese")
def test_messages_are_in_the_language_that_is_used():
    assert _(", ") == "、"
    language.use("en")
    assert _(", ") == ", "


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="expected en or zh, found 'fr'"):
        language.use("fr")


def test_numbers_choose_the_form():
    assert plural("{count} row", "{count} rows", 1) == "1 row"
    assert plural("{count} row", "{count} rows", 2000) == "2,000 rows"


def test_what_has_no_translation_stays():
    assert in_context("label", "no such label") == label_name("no such label") == "no such label"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "--language", "zh"], "zh"),
        (["--language=zh", "train"], "zh"),
        (["--language=zh", "train", "--language", "en"], "en"),
        (["predict", "sentiment", "--", "--language", "zh"], None),
        (["train", "--language"], None),
        (["train"], None),
    ],
)
def test_the_option_is_found_anywhere_before_the_texts(arguments, expected):
    from paddle_tasks.cli.help import language_option

    assert language_option(arguments) == expected


def test_an_unknown_option_value_is_refused(monkeypatch):
    from paddle_tasks.cli.help import choose_language

    with pytest.raises(UserError, match="--language fr: expected en or zh"):
        choose_language(["--language", "fr"])
    monkeypatch.setenv("PADDLE_TASKS_LANGUAGE", "de")
    with pytest.raises(UserError, match="PADDLE_TASKS_LANGUAGE de: expected en or zh"):
        choose_language(["train"])
