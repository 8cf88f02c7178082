"""YAML files of users: loaded safely, checked by a pydantic model, every error with file, line and the nearest name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from runners.lib.errors import FileError
from runners.lib.text import did_you_mean
from runners.lib.units import parse_bytes, parse_duration, parse_rate

MOST_NODES = 200_000
"""Values of a file, aliases written out: far more than anybody writes, far less than a bomb of aliases has."""

Seconds = Annotated[float, BeforeValidator(parse_duration)]
Rate = Annotated[float, BeforeValidator(parse_rate)]
Bytes = Annotated[int, BeforeValidator(parse_bytes)]
Model = TypeVar("Model", bound=BaseModel)


class _Ansible(yaml.SafeLoader):
    """Knows the tags that Ansible adds to YAML; what is encrypted stays so."""


VAULTED = "(in the vault)"
_Ansible.add_constructor("!vault", lambda _loader, _node: VAULTED)
_Ansible.add_constructor("!unsafe", lambda _loader, node: str(node.value))


def _share(value: str | float) -> float:
    """`2%` or 0.02."""
    if isinstance(value, str) and value.rstrip().endswith("%"):
        try:
            return float(value.rstrip().removesuffix("%")) / 100
        except ValueError:
            pass
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"{value!r} is not a share; write for example 2% or 0.02")


Share = Annotated[float, BeforeValidator(_share), Field(ge=0, le=1)]


class Strict(BaseModel):
    """Base of every user-written document: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Document:
    """data: plain Python values; lines: the line (from 1) of each path such as ("stages", 0, "name")."""

    path: Path
    data: Any
    lines: dict[tuple[str | int, ...], int]

    def line(self, path: Sequence[str | int]) -> int | None:
        """The line of this path, or of the nearest enclosing one."""
        key = tuple(path)
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key)

    def error(self, what: str, path: Sequence[str | int] = (), remedy: str | None = None) -> FileError:
        return FileError(what, file=self.path, line=self.line(path), remedy=remedy)


def read(path: Path, *, ansible: bool = False) -> Document:
    """Parse a YAML file. ansible: it is one of an inventory, where `!vault` and `!unsafe` have a meaning.

    Raises FileError (missing, not UTF-8, not YAML, a key given twice).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileError("no such file", file=path, remedy="check the name; a name without / is looked up") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"cannot be read: {error}", file=path) from None
    return parse(text, path, ansible=ansible)


def parse(text: str, path: Path, *, ansible: bool = False) -> Document:
    """As `read`, from text; `path` is for messages."""
    lines: dict[tuple[str | int, ...], int] = {}
    loader: yaml.SafeLoader | None = None
    try:
        loader = (_Ansible if ansible else yaml.SafeLoader)(text)  # refuses control characters at once
        node = loader.get_single_node()
        if node is not None:
            _bounded(node, path)
        data = None if node is None else _value(loader, node, (), lines, path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FileError(
            f"not valid YAML: {error.problem or error.context}",
            file=path, line=None if mark is None else mark.line + 1, remedy="mend the syntax at this line",
        ) from None  # fmt: skip
    except yaml.YAMLError as error:
        raise FileError(f"not valid YAML: {' '.join(str(error).split())}", file=path) from None
    except RecursionError:
        raise FileError("nested more deeply than can be read", file=path, remedy="write it flatter") from None
    except (ValueError, OverflowError) as error:  # such as the date 2026-99-99
        raise FileError(f"a value cannot be read: {error}", file=path, remedy="put it in quotes") from None
    finally:
        if loader is not None:
            loader.dispose()
    return Document(path, data, lines)


def _bounded(root: yaml.Node, path: Path) -> None:
    """Raises FileError for a file that holds itself, or grows out of hand when its aliases are written out."""
    sizes: dict[int, int] = {}
    open_: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in open_:
            raise FileError(
                "a value holds itself", file=path, line=node.start_mark.line + 1, remedy="take the alias out"
            )
        if (known := sizes.get(id(node))) is not None:
            return known
        inside: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            inside = [each for pair in node.value for each in pair]
        elif isinstance(node, yaml.SequenceNode):
            inside = node.value
        open_.add(id(node))
        found = sizes[id(node)] = 1 + sum(map(size, inside))
        open_.discard(id(node))
        if found > MOST_NODES:
            raise FileError(
                f"more than {MOST_NODES:,} values, aliases written out", file=path, line=node.start_mark.line + 1,
                remedy="write what is needed, with fewer aliases",
            )  # fmt: skip
        return found

    size(root)


def _value(
    loader: yaml.SafeLoader,
    node: yaml.Node,
    at: tuple[str | int, ...],
    lines: dict[tuple[str | int, ...], int],
    path: Path,
) -> Any:
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        written = len([key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"])
        loader.flatten_mapping(node)
        merged = len(node.value) - written  # those of `<<` come first; a key written here wins over them
        result: dict[Any, Any] = {}
        explicit: set[str | int] = set()
        for number, (key_node, value_node) in enumerate(node.value):
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, str | int):
                raise FileError("a key must be a plain word", file=path, line=key_node.start_mark.line + 1)
            if key in explicit:
                raise FileError(
                    f"key '{key}' is given twice", file=path, line=key_node.start_mark.line + 1, remedy="keep one"
                )
            if number >= merged:
                explicit.add(key)
            lines[(*at, key)] = key_node.start_mark.line + 1
            result[key] = _value(loader, value_node, (*at, key), lines, path)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*at, number), lines, path) for number, item in enumerate(node.value)]
    return loader.construct_object(node, deep=True)


def check(document: Document, model: type[Model]) -> Model:
    """The document as a model. Raises FileError for the first violation."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise _explain(document, model, error) from None


def load(path: Path, model: type[Model]) -> Model:
    """`read`, then `check`."""
    return check(read(path), model)


_NAME = "^[a-z0-9][a-z0-9-]{0,62}$"
_PLAIN = {
    "model_type": "keys and values are wanted here", "dict_type": "keys and values are wanted here",
    "tuple_type": "a list is wanted here", "list_type": "a list is wanted here", "string_type": "text is wanted here",
}  # fmt: skip
"""What a type of error means to who wrote the file."""


def _explain(document: Document, model: type[BaseModel], error: ValidationError) -> FileError:
    # An unknown key explains more than the missing one that it was meant to be.
    first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    where = [
        part for part in first["loc"] if not (isinstance(part, str) and part not in _names(document, first["loc"]))
    ]
    dotted = ".".join(str(part) for part in where) or "the document"
    if first["type"] == "extra_forbidden":
        known = _fields(model, first["loc"][:-1])
        return document.error(
            f"unknown key '{first['loc'][-1]}'", first["loc"], did_you_mean(str(first["loc"][-1]), known)
        )
    if first["type"] == "missing":
        inside = ".".join(str(part) for part in where[:-1]) or "the document"
        return document.error(f"key '{first['loc'][-1]}' is missing in {inside}", where, f"add '{first['loc'][-1]}:'")
    if first["type"] == "string_pattern_mismatch" and first.get("ctx", {}).get("pattern") == _NAME:
        message = "lower-case letters, digits and hyphens are wanted, 63 at most"
        return document.error(f"{dotted}: {message}", where, f"it is {_short(first['input'])}")
    message = _PLAIN.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    return document.error(
        f"{dotted}: {message}", where, None if "write" in message else f"it is {_short(first['input'])}"
    )


def _short(value: object) -> str:
    text = "empty" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _names(document: Document, location: Sequence[str | int]) -> set[str]:
    """Keys that occur in the document: pydantic puts names of union members into locations too."""
    return {str(part) for path in document.lines for part in path} | {str(location[-1])}


def _fields(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Names valid at a location, found by walking the model's JSON schema."""
    schema = model.model_json_schema()
    spot = schema
    for part in location:
        spot = _resolve(schema, spot)
        if isinstance(part, int):
            spot = spot.get("items", {})
        elif part in spot.get("properties", {}):
            spot = spot["properties"][part]
        elif isinstance(extra := spot.get("additionalProperties"), dict):
            spot = extra
    return sorted(_resolve(schema, spot).get("properties", {}))


def _resolve(schema: dict[str, Any], spot: dict[str, Any]) -> dict[str, Any]:
    for choice in spot.get("anyOf", []) + spot.get("allOf", []):
        if choice.get("type") != "null":
            spot = choice
            break
    if "$ref" in spot:
        return _resolve(schema, schema["$defs"][spot["$ref"].rsplit("/", 1)[1]])
    return spot
