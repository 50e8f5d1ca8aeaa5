"""GraphQL over HTTP as the graphql-http project audits it: all of its checks, not only those that MUST be met."""

from tests.clients.node import read_lines, running_script
from tests.studio import Studio

CHECKS = 61


async def test_every_check_of_the_audit_is_met(studio: Studio) -> None:
    async with running_script("audit", f"{studio.url}/graphql") as process:
        results = [result async for result in read_lines(process)]

    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == CHECKS
