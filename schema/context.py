"""What an operation may lean on: who asks, and the parts that its process holds open."""

from dataclasses import dataclass, field

import strawberry

from schema.reads import Loaders
from server.settings import Settings
from storage.access import ANONYMOUS, Viewer
from storage.blobs import BlobStore
from storage.hub import Hub

LINK_SECONDS = 6 * 3600  # a phone may be asleep between the answer and the download


@dataclass
class Context:
    """One for each operation; one socket runs many."""

    settings: Settings
    blobs: BlobStore
    hub: Hub
    request_id: str
    viewer: Viewer = ANONYMOUS
    client_address: str = ""
    loaders: Loaders = field(default_factory=Loaders)

    def link(self, key: str) -> str:
        """A signed address of a file."""
        return self.blobs.link(key, expires_in_seconds=LINK_SECONDS)

    def forget(self) -> None:
        """Read relations afresh from here on: the next event is about a new state."""
        self.loaders = Loaders()


Info = strawberry.Info[Context, None]
