"""What only the bucket store promises: the right host in its links, and a plain word when nobody answers."""

import asyncio
import socket

import pytest

from server.errors import Unavailable
from storage.blobs import open_store


async def test_bucket_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    store = await open_store(f"s3://kept?endpoint=http://127.0.0.1:{port}&region=auto", base_url="", secret=b"")
    calls = (
        store.ping(),
        store.stat("a.txt"),
        store.put("a.txt", b"", "text/plain"),
        anext(aiter(store.read("a.txt"))),
    )
    faults = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(fault) for fault in faults] == [Unavailable] * 4
    await store.close()


@pytest.mark.parametrize(
    ("url", "beginning"),
    [
        ("s3://kept", "https://kept.s3.amazonaws.com/a.txt?"),
        ("s3://kept?region=eu-west-1", "https://kept.s3.eu-west-1.amazonaws.com/a.txt?"),
        ("s3://kept.music?region=eu-west-1", "https://s3.eu-west-1.amazonaws.com/kept.music/a.txt?"),
        ("s3://kept?endpoint=https://s3.example:443/", "https://s3.example/kept/a.txt?"),
        ("gs://kept", "https://storage.googleapis.com/kept/a.txt?"),
    ],
)
async def test_link_names_the_right_host(url: str, beginning: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    store = await open_store(url, base_url="", secret=b"")
    assert store.link("a.txt", expires_in_seconds=60).startswith(beginning)
    assert "aws-global" not in store.link("a.txt", expires_in_seconds=60)
    await store.close()
