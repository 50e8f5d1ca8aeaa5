"""A folder for the work of one job, gone when the work is."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder that only this user can read."""
    folder = Path(tempfile.mkdtemp(prefix="libretto-job-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
