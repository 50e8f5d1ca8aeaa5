"""Code that turns records into answers: one generated function for each object of the selection.

The code is made of the schema's own names and of constants kept aside, never of what a client wrote; keys of the
answer, which a client may choose as aliases, are GraphQL names and written as Python literals.
"""

from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson

Shape = Callable[..., Any]


class Code:
    """Functions being written, and the constants that they use."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._finished = 0  # lines that are functions already
        self._count = 0
        self._names: dict[str, Any] = {
            "Row": SimpleNamespace,
            "loads": orjson.loads,
            "moment": datetime.fromisoformat,
            "UUID": UUID,
        }

    def constant(self, value: Any) -> str:
        """A name under which the code finds this value."""
        name = f"k{len(self._names)}"
        self._names[name] = value
        return name

    def name(self) -> str:
        """A name that nothing else in the code has."""
        self._count += 1
        return f"v{self._count}"

    def function(self, parameter: str, pairs: list[tuple[str, str]]) -> str:
        """A function of a record or an object, of the context and of the arguments, that answers with a dict."""
        name = f"f{len(self._lines)}"
        body = ", ".join(f"{key!r}: {value}" for key, value in pairs)
        self._lines.append(f"def {name}({parameter}, c, a): return {{{body}}}")
        return name

    def finish(self, name: str) -> Shape:
        """The function, ready to be called."""
        exec("\n".join(self._lines[self._finished :]), self._names)  # noqa: S102 - our own code, see above
        self._finished = len(self._lines)
        shape: Shape = self._names[name]
        return shape


def null_or(test: str, value: str) -> str:
    """The value, unless what it is made of is NULL."""
    return f"(None if {test} is None else {value})"
