"""What it means that a bucket refuses, or says nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import ClientError as TransportError
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]  # it ships no types

from server.errors import Unavailable
from storage.blobs.keys import BlobMissing

MISSING_CODES = {"404", "NoSuchKey", "NoSuchUpload"}


@contextmanager
def answering(subject: str) -> Iterator[None]:
    """Raise `BlobMissing` or `Unavailable` for what botocore raises."""
    try:
        yield
    except ClientError as fault:
        if fault.response["Error"]["Code"] in MISSING_CODES:
            raise BlobMissing(f"There is no blob {subject}") from fault
        raise Unavailable(f"The blob store refuses {subject}: {fault}") from fault
    except (BotoCoreError, TransportError, TimeoutError) as fault:
        raise Unavailable(f"The blob store does not answer: {fault}") from fault
