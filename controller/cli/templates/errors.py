"""What can be wrong with a template, and where."""


class TemplateError(ValueError):
    """A template that can't be read or filled in; `position` is the place in its text, in characters."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position

    def explain(self, text: str) -> str:
        """Return the message with the line of the template that it is about, and a mark below the place."""
        before = text[: self.position]
        line_number = before.count("\n") + 1
        start = before.rfind("\n") + 1
        line = text[start:].partition("\n")[0]
        column = self.position - start
        place = f"line {line_number}, column {column + 1}" if "\n" in text else f"column {column + 1}"
        mark = "".join("\t" if letter == "\t" else " " for letter in line[:column])
        return f"template, {place}: {self.message}\n  {line}\n  {mark}^"
