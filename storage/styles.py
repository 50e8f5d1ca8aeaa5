"""Styles: the catalogue of sounds that a track can be made in."""

from collections.abc import Iterable
from uuid import UUID, uuid5

from tortoise import fields
from tortoise.migrations.constraints import UniqueConstraint

from storage import database
from storage.rows import Row

CATALOGUE_NAMESPACE = UUID("6d0f5c5e-6d1c-4b7c-9a5e-6c6962726574")  # so that a style has the same id everywhere

# slug, name, description; the slug is the local composer's name for it
CATALOGUE: tuple[tuple[str, str, str], ...] = (
    ("lofi", "Lo-fi", "Dusty drums a little late, warm keys, rain on the window"),
    ("synthwave", "Synthwave", "Neon arpeggios over a driving bass, a night on the motorway"),
    ("house", "House", "Four to the floor, off-beat chords that breathe with the kick"),
    ("ambient", "Ambient", "Slow pads and far bells, hardly a beat"),
    ("pop", "Pop", "Bright chords, a plain beat and a tune that stays"),
    ("rock", "Rock", "Driven guitars, a big snare, choruses that open up"),
    ("hiphop", "Hip-hop", "Half-time drums, a deep bass, few notes well placed"),
    ("funk", "Funk", "Busy sixteenths, a bass that talks, stabs on the off-beat"),
    ("jazz", "Jazz", "Swung ride, walking bass, chords that turn around"),
    ("cinematic", "Cinematic", "Strings and low drums that grow towards something"),
    ("breaks", "Breaks", "Fast broken drums under long chords"),
)


class Style(Row):
    """A style of the catalogue."""

    slug = fields.CharField(max_length=40)
    name = fields.CharField(max_length=80)
    description = fields.CharField(max_length=280)

    class Meta:
        table = "styles"
        constraints = (UniqueConstraint(fields=("slug",), name="styles_slug_key"),)


def style_id(slug: str) -> UUID:
    """The id of a style of the catalogue."""
    return uuid5(CATALOGUE_NAMESPACE, slug)


async def write_catalogue(catalogue: Iterable[tuple[str, str, str]] = CATALOGUE) -> None:
    """Bring the table up to the catalogue of this version; runs after the migrations."""
    for slug, name, description in catalogue:
        await database.fetch(
            "INSERT INTO styles (id, slug, name, description, created_at) VALUES ($1, $2, $3, $4, now())"
            " ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description",
            style_id(slug),
            slug,
            name,
            description,
        )


async def find_style(row_id: UUID) -> Style | None:
    """A style of the catalogue; everybody may see them all."""
    return await Style.get_or_none(id=row_id)
