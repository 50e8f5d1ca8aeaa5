"""Title and artist in small letters above the words."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.engines.films.lettering import Block, cover
from jobs.engines.films.plan import FilmPlan
from jobs.engines.films.planes import Box, Picture, to_yuv
from jobs.engines.films.timeline import Show
from jobs.engines.films.typesetting import Text, set_text

SIZE = 0.031
READABLE = 0.6  # of the wished size


@dataclass(frozen=True)
class Heading:
    """What the film is called, as far as it can be written."""

    title: Text | None
    artist: Text | None


class Header:
    """Stands there while the title's card does not, unless it would be too small to be read."""

    def __init__(self, plan: FilmPlan, box: Box, heading: Heading, letter: float, cards: Sequence[Show]) -> None:
        blocks = _set(plan, box, heading, SIZE * letter)
        is_readable = all(block.setting.size >= SIZE * letter * READABLE for block, _ in blocks)
        self.box, self._cards = box, cards
        self._stains = [
            (cover([block], box.width, box.height), to_yuv(colour)) for block, colour in blocks if is_readable
        ]

    def state_at(self, frame: int) -> bool:
        """Whether it is shown."""
        return not any(card.first <= frame < card.end for card in self._cards)

    def draw(self, picture: Picture, ground: Picture, _old: object, new: bool) -> None:  # noqa: FBT001 - its state
        """Write it over the ground, or bare the ground."""
        part = ground.cut(self.box)
        for coverage, colour in self._stains if new else ():
            part.stain(coverage, colour)
        picture.paste(part, Box(0, 0, part.width, part.height), self.box.x, self.box.y)


def _set(plan: FilmPlan, box: Box, heading: Heading, size: float) -> list[tuple[Block, str]]:
    if heading.title is None:
        return []
    title = set_text(heading.title, box.width * 0.6, box.height, size, 1)
    blocks = [(Block(title, 0, 0, title.width, is_centred=False), plan.palette.text)]
    if heading.artist is not None:
        artist = set_text(heading.artist, box.width * 0.36, box.height, size, 1)
        blocks.append((Block(artist, 0, box.width - artist.width, box.width, is_centred=False), plan.palette.accent))
    return blocks
