"""Keys, kinds of media and the words of a link, without a store."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.blobs import InvalidKey, attempt_key, keys, open_store, upload_key
from storage.blobs.s3 import Bucket, parse_bucket
from storage.blobs.signing import Signer

TRICKS = [
    "",
    ".",
    "..",
    "/",
    "/etc/passwd.txt",
    "../secret.json",
    "jobs/../../secret.json",
    "jobs/./a.wav",
    "jobs//a.wav",
    "jobs/a.wav/",
    "jobs/.hidden.wav",
    ".incoming/a.wav",
    "jobs/.wav",
    "jobs\\..\\a.wav",
    "C:/a.wav",
    "jobs/a\x00.wav",
    "jobs/a.wav\x00",
    "jobs/a.wav\n",
    "jobs/%2e%2e/a.wav",
    "jobs/..%2fa.wav",
    "jobs/a b.wav",
    "jobs/ä.wav",
    "jobs/\uff0e\uff0e/a.wav",
    "jobs/\u0661.wav",
    "jobs/a.WAV",
    "jobs/a.exe",
    "jobs/a",
    "jobs/a.wav/b.wav",
    "jobs/" + "a" * 197 + ".wav",
    "/".join(["abcdefg"] * 64) + "/a.wav",
]


@pytest.mark.parametrize("key", TRICKS)
def test_key_that_could_lead_elsewhere_is_refused(key: str) -> None:
    assert not keys.is_key(key)
    with pytest.raises(InvalidKey):
        keys.check_key(key)


@pytest.mark.parametrize("key", ["a.wav", "jobs/0f-1/t_2/stem.vocals.flac", "covers/1/2/a-b.svg", "a/" * 200 + "b.png"])
def test_plain_key_is_taken(key: str) -> None:
    assert keys.check_key(key) == key


@given(st.text())
def test_any_text_is_a_key_or_refused_by_name(text: str) -> None:
    if keys.is_key(text):
        assert ".." not in text.split("/")
        assert not text.startswith("/")


def test_attempts_of_one_job_never_share_a_key() -> None:
    assert attempt_key("1a", "t1", "mix.wav") == "jobs/1a/t1/mix.wav" != attempt_key("1a", "t2", "mix.wav")
    with pytest.raises(InvalidKey):
        attempt_key("1a", "..", "mix.wav")


def test_upload_is_named_after_its_kind_only() -> None:
    assert upload_key("1a", "2b", "kept", "audio/mp4") == "uploads/1a/2b/kept.m4a"
    with pytest.raises(InvalidKey):
        upload_key("1a", "2b", "kept", "application/x-msdownload")


def test_each_extension_stands_for_one_kind() -> None:
    assert len(keys.EXTENSIONS) == len(keys.MIME_TYPES)
    assert keys.mime_type_of("a/b.svg") == "image/svg+xml"
    with pytest.raises(InvalidKey):
        keys.check_mime_type("a/b.png", "image/svg+xml")


@given(st.integers(0, 2_000_000_000), st.integers(1, 2_000_000))
def test_link_lives_as_long_as_promised_and_a_quarter_more_at_most(now: int, seconds: int) -> None:
    signed_at, expires_at = keys.link_window(now, seconds)
    assert signed_at <= now
    assert expires_at - signed_at <= keys.MAX_LINK_SECONDS
    promised = min(seconds, keys.MAX_LINK_SECONDS * 4 // 5)
    assert promised <= expires_at - now <= promised + max(1, promised // 4)


@pytest.mark.parametrize(
    ("mime_type", "name", "expected"),
    [
        ("audio/mp4", None, "inline"),
        ("image/svg+xml", None, "attachment"),
        ("text/html", None, "attachment"),
        ("application/pdf", "", "attachment"),
        ("audio/wav", "Mix 1.wav", 'attachment; filename="Mix 1.wav"'),
        ("audio/wav", 'a";x=".wav', "attachment; filename=\"a__x__.wav\"; filename*=UTF-8''a%22%3Bx%3D%22.wav"),
        ("audio/wav", "Überall.wav", "attachment; filename=\"Uberall.wav\"; filename*=UTF-8''%C3%9Cberall.wav"),
        ("audio/wav", "夜.wav", "attachment; filename=\"download.wav\"; filename*=UTF-8''%E5%A4%9C.wav"),
        (
            "audio/wav",
            "a\r\nSet-Cookie: b\u202e.wav",
            "attachment; filename=\"aSet-Cookie_ b.wav\"; filename*=UTF-8''aSet-Cookie%3A%20b.wav",
        ),
        ("audio/wav", "../../x.wav", 'attachment; filename=".. .. x.wav"'),
    ],
)
def test_download_name_reaches_the_browser_without_tricks(mime_type: str, name: str | None, expected: str) -> None:
    assert keys.content_disposition(mime_type, name) == expected


def test_long_download_name_ends_between_two_characters() -> None:
    assert keys.clean_name("é" * 200) == "é" * 127


def test_bucket_urls_are_read() -> None:
    url, seldom, often = "s3://music?endpoint=http://127.0.0.1:9000&path_style=true", "when_required", "when_supported"
    own = Bucket("music", "http://127.0.0.1:9000", "eu-west-1", path_style=True, checksums=seldom)
    assert parse_bucket(f"{url}&region=eu-west-1") == own
    assert parse_bucket(f"{url}&checksums=when_supported").checksums == often
    assert parse_bucket("s3://music") == Bucket("music", None, None, path_style=False, checksums=often)
    google = Bucket("music", "https://storage.googleapis.com", "auto", path_style=True, checksums=seldom)
    assert parse_bucket("gs://music") == google


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://x",
        "/srv/blobs",
        "file://host/srv/blobs",
        "file://relative",
        "file:///",
        "s3://",
        "s3://bucket/folder",
        "s3://bucket?endpoint=minio:9000",
        "s3://bucket?path_style=maybe",
        "s3://bucket?pathstyle=true",
        "s3://bucket?checksums=always",
    ],
)
async def test_wrong_store_url_is_named_at_start(url: str) -> None:
    with pytest.raises(ValueError, match="BLOB_STORE_URL"):
        await open_store(url, base_url="http://127.0.0.1", secret=b"s")


def test_signer_agrees_with_the_worked_example_of_amazon() -> None:
    signer = Signer(
        "https://examplebucket.s3.amazonaws.com",
        "us-east-1",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        None,
    )
    url = signer.sign("GET", "test.txt", {}, signed_at=1369353600, expires_at=1369353600 + 86400)
    assert url.endswith("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
