"""YAML with places: every value knows its line, so that each complaint can name it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from .problem import TopologyProblem


class Value:
    """A YAML value and where it stands. Accessors check the type and complain with file and line."""

    def __init__(self, node: yaml.Node, file: Path, path: str) -> None:
        self._node = node
        self._file = file
        self._path = path

    def wrong(self, text: str) -> TopologyProblem:
        """A problem to raise, placed at this value."""
        place = f"{self._path}: " if self._path else ""
        return TopologyProblem(f"{self._file}:{self._node.start_mark.line + 1}: {place}{text}")

    def text(self) -> str:
        if not isinstance(self._node, yaml.ScalarNode):
            raise self.wrong("expected a single value here")
        return str(self._node.value)

    def integer(self, low: int, high: int) -> int:
        text = self.text()
        if not text.isdecimal() or not low <= int(text) <= high:
            raise self.wrong(f'expected a whole number from {low} to {high}, not "{text}"')
        return int(text)

    def flag(self) -> bool:
        text = self.text()
        if text not in ("true", "false"):
            raise self.wrong(f'expected true or false, not "{text}"')
        return text == "true"

    def items(self) -> list[Value]:
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.wrong("expected a list: [a, b, ...]")
        return [Value(item, self._file, self._path) for item in self._node.value]

    def texts(self) -> list[str]:
        return [item.text() for item in self.items()]

    def entries(self) -> Iterator[tuple[str, Value]]:
        """Key and value of each entry; a key that stands twice is refused."""
        if not isinstance(self._node, yaml.MappingNode):
            raise self.wrong("expected entries: {key: value, ...}")
        seen: set[str] = set()
        for key_node, value_node in self._node.value:
            key = str(key_node.value)
            path = f"{self._path}.{key}" if self._path else key
            value = Value(value_node, self._file, path)
            if key in seen:
                raise value.wrong("stands here twice")
            seen.add(key)
            yield key, value

    def fields(self, *known: str) -> dict[str, Value]:
        """The entries by key; a key that is not known is refused, with what there is."""
        found: dict[str, Value] = {}
        for key, value in self.entries():
            if key not in known:
                raise value.wrong(f"no such key; known here: {', '.join(known)}")
            found[key] = value
        return found


def read_document(file: Path) -> Value:
    """Parses a YAML file. Raises TopologyProblem."""
    try:
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise TopologyProblem(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TopologyProblem(f"{file}: is not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise TopologyProblem(f"{file}:{line}: not YAML: {error.problem}") from error
    if node is None:
        raise TopologyProblem(f"{file}:1: the file is empty")
    return Value(node, file, "")
