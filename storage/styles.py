"""Styles: the catalogue of sounds that a track can be made in, and each person's own, which comes of their seed."""

from collections.abc import Iterable, Sequence
from uuid import UUID, uuid5

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from storage import database
from storage.rows import Row, new_id

CATALOGUE_NAMESPACE = UUID("6d0f5c5e-6d1c-4b7c-9a5e-6c6962726574")  # so that a style has the same id everywhere

# slug, name, description; the slug is the local composer's name for it
CATALOGUE: tuple[tuple[str, str, str], ...] = (
    ("lofi", "Lo-fi", "Dusty drums a little late, warm keys, rain on the window"),
    ("synthwave", "Synthwave", "Neon arpeggios over a driving bass, a night on the motorway"),
    ("house", "House", "Four to the floor, off-beat chords that breathe with the kick"),
    ("ambient", "Ambient", "Slow pads and far bells, hardly a beat"),
    ("pop", "Pop", "Bright chords, a plain beat and a tune that stays"),
    ("rock", "Rock", "Driven guitars, a big snare, choruses that open up"),
    ("hiphop", "Hip-hop", "Knocking drums that drag, a loop of keys, a bass that answers"),
    ("funk", "Funk", "Busy sixteenths, a bass that talks, stabs on the off-beat"),
    ("jazz", "Jazz", "Swung ride, walking bass, chords that turn around"),
    ("cinematic", "Cinematic", "Strings and low drums that grow towards something"),
    ("breaks", "Breaks", "Fast broken drums under long chords"),
    ("reggae", "Reggae", "One drop, off-beat guitar, a bass that leads and echoes that stay"),
    ("bossa", "Bossa nova", "Nylon guitar and a soft clave, chords that turn around"),
    ("techno", "Techno", "A rolling bass and one line that opens and closes"),
    ("folk", "Folk", "A fingerpicked guitar, a fiddle, a foot on the floor"),
    ("soul", "Soul", "A slow twelve-eight: triplets, organ, brass that answers"),
    ("waltz", "Waltz", "Three beats to the bar: accordion, strings and a bass that steps"),
    ("trap", "Trap", "Rolling hats, a heavy low end, bells in the dark"),
    ("disco", "Disco", "Octaves in the bass, open hats, strings above"),
    ("chiptune", "Chiptune", "Square waves and quick arpeggios from an old console"),
    ("classical", "Classical piano", "One piano: a left hand that rocks and a right hand that sings"),
    ("chamber", "Chamber strings", "A string quartet, four voices that move by steps"),
    ("afrobeat", "Afrobeat", "Bell, congas and guitars that weave, brass over one chord"),
)


OWN_SLUG, OWN_NAME = "me", "My style"
OWN_DESCRIPTION = "What your seed leans to: colours, a motif, a tempo, three keys and the instruments"


class Style(Row):
    """A style: of the catalogue, or with an owner their own."""

    user_id: UUID | None = fields.UUIDField(null=True)
    seed: int | None = fields.IntField(null=True)  # what an own style leans to, read as `leanings_version` says
    leanings_version: int | None = fields.SmallIntField(null=True)
    slug = fields.CharField(max_length=40)
    name = fields.CharField(max_length=80)
    description = fields.CharField(max_length=280)

    class Meta:
        table = "styles"
        constraints = (
            UniqueConstraint(fields=("slug",), name="styles_catalogue_slug_key", condition="user_id IS NULL"),
            UniqueConstraint(fields=("user_id",), name="styles_user_key"),
            CheckConstraint(
                check="(user_id IS NULL) = (seed IS NULL) AND (user_id IS NULL) = (leanings_version IS NULL)",
                name="styles_own_has_seed",
            ),
        )


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
    """The style of a track, whose maker was allowed to choose it."""
    return await Style.get_or_none(id=row_id)


async def find_catalogue_style(slug: str) -> Style | None:
    """A style that everybody may see."""
    return await Style.get_or_none(slug=slug, user_id__isnull=True)


async def find_own_style(user_id: UUID) -> Style | None:
    """The style of somebody's own."""
    return await Style.get_or_none(user_id=user_id)


async def create_own_styles(seeds: Sequence[tuple[UUID, int]], *, leanings_version: int) -> int:
    """Give these people the styles of their seeds, unless they have one; how many had none."""
    written = await database.fetch(
        "INSERT INTO styles (id, user_id, seed, leanings_version, slug, name, description, created_at)"
        " SELECT id, user_id, seed, $4, $5, $6, $7, now() FROM unnest($1::uuid[], $2::uuid[], $3::int[])"
        " AS new (id, user_id, seed) ON CONFLICT (user_id) DO NOTHING RETURNING id",
        [new_id() for _ in seeds],
        [user_id for user_id, _ in seeds],
        [seed for _, seed in seeds],
        leanings_version,
        OWN_SLUG,
        OWN_NAME,
        OWN_DESCRIPTION,
    )
    return len(written)
