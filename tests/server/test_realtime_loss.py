"""A client never misses the end: a small storm of the benchmark that is a large one."""

import asyncio
import sys
from pathlib import Path

import orjson

from tests.studio import ROOT


async def test_every_end_is_shown_though_sockets_valkey_and_a_web_process_die(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    storm = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench", "loss", "--quick", "--json", figures),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await storm.communicate()

    assert storm.returncode == 0, printed.decode()
    (table,) = orjson.loads(figures.read_bytes())
    found = {figure["what"]: figure for figure in table["figures"]}
    assert all(figure["is_met"] is not False for figure in found.values()), printed.decode()
    assert found["times that a client came back"]["value"] > 0
    assert found["one of the two web processes killed"]["value"] > 0
