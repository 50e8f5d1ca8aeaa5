"""What is said, under a signature, of the files that leave us: the claim, and when it is made."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from jobs.queue import Work

Source = Literal["trainedAlgorithmicMedia", "algorithmicMedia"]  # a trained model made it, or rules that people wrote


@dataclass(frozen=True)
class Claim:
    """What is said of a file: of which track it is, and what made it."""

    title: str
    track_id: UUID
    source: Source

    @property
    def track_hash(self) -> str:
        """Names the track to whoever knows it, and to nobody else."""
        return hashlib.sha256(self.track_id.bytes).hexdigest()


def sign_files(work: Work, paths: Iterable[Path], title: str, source: Source) -> None:
    """Sign the files of the track that a job works on, if this worker has a certificate to sign with."""
    seal, track_id = work.foundry.seal, work.lease.subject_id
    if seal is None or track_id is None:
        return
    for path in paths:
        work.report(1, "signing")
        seal.mark(path, Claim(title, track_id, source))
