"""Go's text/template, as far as users of Docker's `--format` write it. Pure: a text and a value in, a text out.

Known are `{{.a.b}}`, `$variables`, pipes, parentheses, `if`/`else if`/`else`, `range`, `with`, comments, the trimming of
space by `{{-` and `-}}`, and the functions of `functions.py`. What is wrong is a TemplateError that points at its place.
https://pkg.go.dev/text/template
"""

from controller.cli.templates.errors import TemplateError
from controller.cli.templates.parser import parse
from controller.cli.templates.render import render

__all__ = ["TemplateError", "parse", "render"]
