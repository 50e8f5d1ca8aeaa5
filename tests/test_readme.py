"""What the README prints works as it is printed."""

import re
import shlex
from pathlib import Path

from graphql import parse, validate

from schema.documents import core
from tests.studio import Studio

README = (Path(__file__).parent.parent / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


async def test_curl_commands_make_an_account_and_a_track(studio: Studio) -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("curl")]
    token = ""
    for command in commands:
        words = shlex.split(command.replace("http://127.0.0.1:8000", studio.url).replace("$TOKEN", token))
        assert words[:2] == ["curl", "-s"]
        options = list(zip(words[3::2], words[4::2], strict=True))
        headers = dict(value.split(": ", 1) for option, value in options if option == "-H")
        (body,) = (value for option, value in options if option == "-d")
        answer = (await studio.client.post(words[2], content=body, headers=headers)).json()
        assert "errors" not in answer, answer
        (result,) = answer["data"].values()
        assert "code" not in result, result
        token = result.get("accessToken", token)
    assert len(commands) == 2


def test_documents_fit_the_schema() -> None:
    documents = blocks("graphql")
    assert len(documents) >= 2
    for document in documents:
        assert validate(core, parse(document)) == []
