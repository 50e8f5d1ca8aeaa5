"""What every outside model is: how a wish becomes its input, what it cannot do, and where its file is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from jobs.providers.wish import Wish

W = TypeVar("W", bound=Wish)


@dataclass(frozen=True)
class Length:
    """The field that takes the duration: its unit, and how much of it the model makes."""

    name: str
    least_seconds: float
    most_seconds: float
    per_second: int = 1

    def count(self, seconds: float) -> int:
        """As much of the unit as the model can make."""
        return round(min(max(seconds, self.least_seconds), self.most_seconds) * self.per_second)


@dataclass(frozen=True)
class Model(ABC, Generic[W]):
    """One outside model."""

    provider: str
    name: str
    endpoint: str  # fal: the path of its queue; Replicate: `owner/name` if official, else the version's 64 hex digits
    prompt: str = "prompt"
    prompt_characters: tuple[int, int] = (1, 2000)
    seed: str | None = "seed"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    output: str | None = None  # the output's field with the file; None: the output itself

    def input_of(self, wish: W) -> dict[str, Any]:
        """The wish in the model's own words; `refusal_of` must have found nothing against it."""
        least, most = self.prompt_characters
        given = {self.prompt: wish.prompt.strip()[:most].ljust(least, ".")} | dict(self._fields(wish))
        if self.seed and wish.seed is not None:
            given[self.seed] = wish.seed
        return dict(self.fixed) | given

    @abstractmethod
    def refusal_of(self, wish: W) -> str | None:
        """Why this model cannot be asked for that at all."""

    def notes_on(self, wish: W) -> tuple[str, ...]:
        """In what that which it makes will differ from the wish."""
        notes = [*self._differences(wish)]
        if len(wish.prompt.strip()) > self.prompt_characters[1]:
            notes.append(f"The model reads {self.prompt_characters[1]} characters of the prompt")
        if self.seed is None and wish.seed is not None:
            notes.append("The model takes no seed")
        return tuple(notes)

    def find_file(self, output: Any) -> str | None:
        """The address of the file in what the model answered: a file object, a string, or a list of either."""
        found = output.get(self.output) if self.output and isinstance(output, dict) else output
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, dict):
            found = found.get("url")
        return found if isinstance(found, str) and found else None

    @abstractmethod
    def _fields(self, wish: W) -> Iterator[tuple[str, Any]]:
        """The fields of the input besides the prompt and the seed."""

    @abstractmethod
    def _differences(self, wish: W) -> Iterator[str]:
        """What the model cannot do as wished, besides prompt and seed."""
