"""What goes with time: the pieces of films that have ended, and films that were kept long enough."""

from jobs.videos.pieces import delete_blobs
from storage import videos
from storage.blobs import BlobStore


async def drop_stale(blobs: BlobStore) -> int:
    """Delete the pieces of films that were cancelled or ended a day ago; answers with how many."""
    keys = await videos.drop_stale_pieces()
    await delete_blobs(blobs, keys)
    return len(keys)
