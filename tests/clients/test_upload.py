"""A file brought by fetch alone, as a page or a phone does it."""

from tests.clients.node import read_lines, running_script
from tests.studio import Person, Studio


async def test_fetch_brings_a_file_in_parts_and_goes_on_after_a_break(studio: Studio, person: Person) -> None:
    async with running_script("upload", f"{studio.url}/graphql", person.token) as process:
        heard = [line async for line in read_lines(process)]

    assert heard == [
        {"broken": "AbortError"},
        {"sent": [200, 200]},
        {"missing": [1]},
        {"sent": [200]},
        {"status": "STORED", "same": True},
        {"form": 1000},
    ]
