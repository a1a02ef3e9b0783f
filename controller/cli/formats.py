"""The templates of `--format`: Go's, with a Failure that shows the place of what is wrong."""

from typing import Any

from controller.cli.client import Failure


class Format:
    """A template that a user has written, read once and filled in with one value after another."""

    def __init__(self, text: str) -> None:
        from controller.cli.templates import TemplateError, parse

        self._text = text
        try:
            self._nodes = parse(text)
        except TemplateError as error:
            raise Failure(error.explain(text)) from error

    def fill(self, value: Any) -> str:  # noqa: ANN401
        """Return the text for a value of dicts, lists and scalars."""
        from controller.cli.templates import TemplateError, render

        try:
            return render(self._nodes, value)
        except TemplateError as error:
            raise Failure(error.explain(self._text)) from error
