"""Styles of people's own: the seed of a new account, what a style leans to, and seeds for the accounts without one."""

import secrets

from jobs.engines.covers import accent_hue
from jobs.engines.styles import HOUSE_SEED, LOOKS, VERSION, Leanings, read_catalogue_leanings, read_leanings
from storage import database, styles, users
from storage.styles import Style
from storage.users import Look

MAX_SEED = 2**31 - 1
BATCH = 500


def new_seed() -> int:
    """A seed that nobody chose."""
    return secrets.randbelow(MAX_SEED)


def new_look(*, has_seed: bool) -> Look:
    """The look of a new account; without a seed it is that of the house."""
    seed = new_seed() if has_seed else None
    return Look(seed, accent_hue(HOUSE_SEED if seed is None else seed), VERSION)


def find_own_leanings(style: Style | None) -> Leanings | None:
    """What somebody's own style leans to; None for one of the catalogue, which the composer knows by its name."""
    if style is None or style.seed is None:
        return None
    return read_style_leanings(style.slug, style.seed, style.leanings_version)


def read_style_leanings(slug: str, seed: int | None, leanings_version: int | None) -> Leanings:
    """What a row of styles leans to; one of the catalogue that this version does not know looks like the house."""
    if seed is not None and leanings_version is not None:
        return read_leanings(seed, leanings_version)
    return read_catalogue_leanings(slug) if slug in LOOKS else read_leanings(HOUSE_SEED)


async def backfill_style_seeds() -> int:
    """Give every account without a seed, or without a style of its own, what it lacks; how many were given something.

    A batch is held while it is written, so that runs at the same time share the work and give nobody two.
    """
    count = 0
    while True:
        async with database.transaction():
            held = await users.hold_without_style(BATCH)
            seeds = [(user_id, new_seed() if seed is None else seed) for user_id, seed in held]
            await users.write_seeds([(user_id, seed, accent_hue(seed)) for user_id, seed in seeds])
            count += await styles.create_own_styles(seeds, leanings_version=VERSION)
        if not held:
            return count
