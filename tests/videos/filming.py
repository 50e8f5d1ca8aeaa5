"""Asking for films as a client does, of songs that are short enough to be filmed in seconds."""

import hashlib
from io import BytesIO
from typing import Any

import av

from server.resources import Resources
from storage import database
from storage.rows import read_id
from tests.studio import Person, Studio, until

WORDS = "Paper boats on window rain\nHold the night a little longer"
FIELDS = """id kind status aspect theme title width height framesPerSecond durationSeconds previewSeconds createdAt
  completedAt expiresAt isExpired version notes logUrl previewUrl job { id kind queue } track { id }
  film { url mimeType sizeBytes } poster { url mimeType sizeBytes } captions { format url mimeType sizeBytes }
  previewFrame { url }"""
CREATE = f"""mutation ($input: CreateVideoInput!) {{ createVideo(input: $input) {{ __typename
  ... on VideoCreated {{ video {{ {FIELDS} }} job {{ id kind queue state }} }}
  ... on ValidationFailed {{ fields {{ field message }} }} ... on Failure {{ code message }} }} }}"""
READ = f"query ($id: ID!) {{ video(id: $id) {{ {FIELDS} }} }}"
LIST = "query ($track: ID) { videos(first: 10, trackId: $track) { nodes { id } } }"
DELETE = """mutation ($id: ID!) { deleteVideo(id: $id) { __typename
  ... on VideoDeleted { id } ... on Failure { code message } } }"""
CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { __typename ... on Failure { code } } }"
RETRY = "mutation ($id: ID!) { retryJob(id: $id) { __typename ... on Failure { code } } }"


async def make_song(person: Person, seconds: float = 5, **given: Any) -> str:
    created = await person.create_track(durationSeconds=seconds, **given)
    await person.wait_until(created["job"]["id"], "COMPLETE", seconds=120)
    track_id: str = created["track"]["id"]
    return track_id


async def sing_song(person: Person, seconds: float = 10) -> str:
    """A song whose words we know to the syllable, as we sang them."""
    return await make_song(person, seconds, hasVocals=True, lyrics=WORDS)


async def create(person: Person, track_id: str, **given: Any) -> Any:
    """The answer; a lyric video for its short side, unless something else is given."""
    wish = {"trackId": track_id, "aspect": "SQUARE", "lyric": {}} | given
    return (await person.get(CREATE, input=wish))["createVideo"]


async def film(person: Person, track_id: str, **given: Any) -> Any:
    """The video, once it is there."""
    created = await create(person, track_id, **given)
    assert created["__typename"] == "VideoCreated", created
    await person.wait_until(created["job"]["id"], "COMPLETE", "FAILED", seconds=180)
    return await read(person, created["video"]["id"])


async def read(person: Person, video_id: str) -> Any:
    return (await person.get(READ, id=video_id))["video"]


async def fetch(studio: Studio, url: str) -> bytes:
    answer = await studio.client.get(url)
    assert answer.status_code == 200, answer.text
    return answer.content


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def probe(content: bytes) -> dict[str, Any]:
    """What is in a film or a stretch of one."""
    with av.open(BytesIO(content), "r") as container:
        (video,), (audio,) = container.streams.video, container.streams.audio
        told = {"size": (video.width, video.height), "codecs": (video.codec.name, audio.codec.name)}
        frames = [float(frame.time) for frame in container.decode(video)]
    return told | {"frames": len(frames), "first": frames[0], "last": frames[-1]}


async def blobs_of(resources: Resources, video_id: str) -> set[str]:
    """The names of the files that are kept of a video, by any attempt."""
    prefix = f"videos/{read_id('video', video_id).hex}/"
    return {key.rpartition("/")[2] async for key, _ in resources.blobs.list_keys(prefix)}


async def count_pieces(video_id: str, kind: str) -> int:
    rows = await database.fetch(
        "SELECT count(*) AS n FROM video_pieces WHERE video_id = $1 AND kind = $2", read_id("video", video_id), kind
    )
    count: int = rows[0]["n"]
    return count


async def film_until(person: Person, track_id: str, segments: int, **given: Any) -> Any:
    """What was created, once so many segments are kept and the film is not whole."""
    created = await create(person, track_id, **given)

    async def is_kept() -> bool:
        return await count_pieces(created["video"]["id"], "SEGMENT") >= segments

    await until(is_kept, f"{segments} segments are kept", seconds=90)
    return created
