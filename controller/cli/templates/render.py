"""Nodes and a value to text."""

from collections.abc import Iterator, Sequence
from typing import Any

from controller.cli.parser import suggest
from controller.cli.templates.errors import TemplateError
from controller.cli.templates.functions import FUNCTIONS, Misuse, is_true, name_type, to_text
from controller.cli.templates.nodes import (
    Branch,
    Emit,
    Literal,
    Name,
    Node,
    Operand,
    Path,
    Pipeline,
    Range,
    Text,
)


def render(nodes: Sequence[Node], value: Any) -> str:  # noqa: ANN401
    """Return the text of a parsed template for a value of dicts, lists and scalars; TemplateError when it can't be.

    Fields may be written with a capital, as Docker has them. A field that is not there is `<no value>`, as in Go; of the
    outermost object it is an error.
    """
    return "".join(_Rendering(value).run(nodes, value))


class _Rendering:
    """One filling in: the outermost value and the variables that are in sight."""

    def __init__(self, root: Any) -> None:  # noqa: ANN401
        self._root = root
        self._scopes: list[dict[str, Any]] = [{"$": root}]

    def run(self, nodes: Sequence[Node], dot: Any) -> Iterator[str]:  # noqa: ANN401
        for node in nodes:
            match node:
                case Text(text=text):
                    yield text
                case Emit(pipeline=pipeline):
                    value = self._evaluate(pipeline, dot)
                    if not pipeline.variables:
                        yield to_text(value)
                case Branch():
                    yield from self._run_branch(node, dot)
                case Range():
                    yield from self._run_range(node, dot)

    def _run_branch(self, node: Branch, dot: Any) -> Iterator[str]:  # noqa: ANN401
        self._scopes.append({})
        value = self._evaluate(node.pipeline, dot)
        if is_true(value):
            yield from self.run(node.body, value if node.sets_dot else dot)
        else:
            yield from self.run(node.rest, dot)
        self._scopes.pop()

    def _run_range(self, node: Range, dot: Any) -> Iterator[str]:  # noqa: ANN401
        self._scopes.append({})
        items = _list_items(self._evaluate(node.pipeline, dot, sets=False), node.pipeline.position)
        variables = node.pipeline.variables
        for key, each in items:
            values = (key, each) if len(variables) == 2 else (each,)
            self._scopes.append({})
            for variable, value in zip(variables, values, strict=False):
                self._set(variable, value, node.pipeline)
            yield from self.run(node.body, each)
            self._scopes.pop()
        if not items:
            yield from self.run(node.rest, dot)
        self._scopes.pop()

    def _set(self, name: str, value: Any, pipeline: Pipeline) -> None:  # noqa: ANN401
        if pipeline.declares:
            self._scopes[-1][name] = value
            return
        scope = next((scope for scope in reversed(self._scopes) if name in scope), None)
        if scope is None:
            raise TemplateError(f"{name} was never set: begin with {name} :=", pipeline.position)
        scope[name] = value

    def _evaluate(self, pipeline: Pipeline, dot: Any, *, sets: bool = True) -> Any:  # noqa: ANN401
        value: Any = None
        for place, command in enumerate(pipeline.commands):
            piped = [value] if place else []
            value = self._call(command, dot, piped)
        if sets:
            for name in pipeline.variables:
                self._set(name, value, pipeline)
        return value

    def _call(self, command: tuple[Operand, ...], dot: Any, piped: list[Any]) -> Any:  # noqa: ANN401
        first, *rest = command
        if not isinstance(first, Name):
            value = self._read(first, dot)
            if piped or (rest and not isinstance(value, dict)):
                place = rest[0].position if rest else first.position
                raise TemplateError("only a function takes arguments", place)
            # Docker's `.Label "app"`: a key for an object.
            return FUNCTIONS["index"].body(value, *(self._read(each, dot) for each in rest))
        arguments = [self._read(each, dot) for each in rest] + piped
        function = FUNCTIONS[first.name]
        if len(arguments) < function.least or (function.most is not None and len(arguments) > function.most):
            raise TemplateError(_describe_count(first.name, len(arguments)), first.position)
        try:
            return function.body(*arguments)
        except Misuse as error:
            raise TemplateError(f"{first.name} {error}", first.position) from error

    def _read(self, operand: Operand, dot: Any) -> Any:  # noqa: ANN401
        match operand:
            case Literal(value=value):
                return value
            case Name():
                return self._call((operand,), dot, [])
            case Path(base=base, fields=fields, position=position):
                return self._walk(self._find_base(base, dot, position), fields, position)

    def _find_base(self, base: str | Pipeline | None, dot: Any, position: int) -> Any:  # noqa: ANN401
        if base is None:
            return dot
        if isinstance(base, Pipeline):
            return self._evaluate(base, dot)
        for scope in reversed(self._scopes):
            if base in scope:
                return scope[base]
        raise TemplateError(f"{base} was never set: begin with {base} :=", position)

    def _walk(self, value: Any, fields: tuple[str, ...], position: int) -> Any:  # noqa: ANN401
        for place, field in enumerate(fields):
            if value is None:
                return None
            if not isinstance(value, dict):
                shown = "." + ".".join(fields[:place]) if place else "this"
                advice = ": range over it, or take one by index" if isinstance(value, list) else ""
                raise TemplateError(
                    f"{shown} is {name_type(value)}, which has no field {field}{advice}", position
                )
            key = field if field in value else field[:1].lower() + field[1:]
            if key not in value and value is self._root:
                raise TemplateError(_describe_missing(field, value), position)
            value = value.get(key)
        return value


def _list_items(value: Any, position: int) -> list[tuple[Any, Any]]:  # noqa: ANN401
    match value:
        case None:
            return []
        case list():
            return list(enumerate(value))
        case dict():
            return sorted(value.items())
        case _:
            raise TemplateError(f"range goes over lists and objects, not over {name_type(value)}", position)


def _describe_count(name: str, count: int) -> str:
    function = FUNCTIONS[name]
    least, most = function.least, function.most
    wanted = f"{least} or more" if most is None else f"{least} to {most}" if most > least else f"{least}"
    return f"{name} takes {wanted} argument{'' if wanted == '1' else 's'}, not {count}"


def _describe_missing(field: str, value: dict[str, Any]) -> str:
    known = [f".{name}" for name in value]
    return f"there is no field .{field}{suggest(f'.{field}', known)}: known are {', '.join(known) or 'none'}"
