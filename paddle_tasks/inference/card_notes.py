"""What the author of a model adds to its card, in a file of the run folder and then of the model folder."""

from __future__ import annotations

from pathlib import Path

from paddle_tasks import config as configuration
from paddle_tasks.config import Section
from paddle_tasks.errors import ConfigError
from paddle_tasks.files import read_settings_text
from paddle_tasks.language import current, label_name

NOTES = "card.yaml"


class NotesSection(Section):
    """The texts of an author in one language.

    Attributes:
        summary: what the model is.
        use: how to use it, in place of the commands for any model.
        limits: what it cannot do, and what it must not be used for.
        data: the data that it was trained on.
        licences: the licences of the weights and the data.
    """

    summary: str = ""
    use: str = ""
    limits: str = ""
    data: str = ""
    licences: str = ""


class Example(Section):
    """A text that is hard for the model.

    Attributes:
        text: the text.
        expected: the right answer: a label, or words.
        expected_zh: the right answer in Chinese, if it is no label.
    """

    text: str
    expected: str = ""
    expected_zh: str = ""

    def answer(self) -> str:
        """Return the right answer in the current language."""
        return self.expected_zh if current() == "zh" and self.expected_zh else label_name(self.expected)


class Notes(Section):
    """What an author adds to a card.

    Attributes:
        pipeline_tag: the kind of model in the front matter, as Hugging Face calls it.
        en: texts in English.
        zh: texts in Chinese.
        examples: hard texts, whose answers the card shows; without them they are the worst errors of the run.
        prompt: of a model that writes, a text that it continues in the card, once for each seed.
    """

    pipeline_tag: str | None = None
    en: NotesSection = NotesSection()
    zh: NotesSection = NotesSection()
    examples: tuple[Example, ...] = ()
    prompt: str = ""


def read_notes(folder: Path) -> Notes:
    """Return the notes of a run folder or a model folder; empty ones if there is no file.

    Raises:
        ConfigError: the file has an unknown key or a wrong value.
    """
    path = folder / NOTES
    if not path.is_file():
        return Notes()
    tree = configuration.parse_yaml(read_settings_text(path, ConfigError), str(path)) or {}
    return configuration.validate(tree, Notes, str(path))
