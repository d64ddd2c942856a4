"""How large a picture may be, how many pixels are decoded at a time, and silence meanwhile.

A small file can state a picture of many gigabytes. Its header is read first: a picture of more than
`MOST_PIXELS` is refused, and the pictures that are being decoded at one moment have no more than
that together. Decoding takes less than ten bytes a pixel, hence about 1.3 GB at the most.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError

MOST_PIXELS = 2**27
"""134 million: a telephone's 108-megapixel photograph and any radiograph, but no whole slide."""


def refuse_large(path: Path, height: int, width: int, frames: int = 1) -> None:
    """Raises InputError for a picture of more than `MOST_PIXELS`, or of none."""
    size = f"{height}x{width}" if frames == 1 else f"{frames} frames of {height}x{width}"
    if height < 1 or width < 1:
        raise InputError(f"{path}: got {size} pixels, expected at least one; the file is damaged")
    if height * width * frames > MOST_PIXELS:
        raise InputError(
            f"{path}: got {size} pixels, expected at most {MOST_PIXELS} in all; cut out the region "
            "that matters, or shrink the image"
        )


class PixelBudget:
    """Lets pictures be decoded while together they have no more than `most` pixels."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.reset()

    def reset(self) -> None:
        """Nothing is being decoded: the state of a new process, whose threads are its own."""
        self._used = 0
        self._changed = threading.Condition()

    @contextmanager
    def spend(self, pixels: int) -> Iterator[None]:
        """Wait until `pixels` (at most `most`) fit, and keep them for the time of the block."""
        with self._changed:
            self._changed.wait_for(lambda: self._used + pixels <= self.most)
            self._used += pixels
        try:
            yield
        finally:
            with self._changed:
                self._used -= pixels
                self._changed.notify_all()


class Silence:
    """Hides the warnings of Pillow and pydicom while at least one picture is being decoded.

    They name lines of those libraries, not the user's file; what matters in them is refused by
    name. `warnings.catch_warnings` alone must not be entered by several threads at a time.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Nothing is being decoded: the state of a new process."""
        self._lock = threading.Lock()
        self._inside = 0
        self._saved = warnings.catch_warnings()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """No warning of a decoder is shown in this block."""
        with self._lock:
            if self._inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"(PIL|pydicom)\b")
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._saved.__exit__(None, None, None)


IN_FLIGHT = PixelBudget(MOST_PIXELS)
SILENCE = Silence()
if hasattr(os, "register_at_fork"):  # not on Windows, whose processes start afresh
    os.register_at_fork(after_in_child=IN_FLIGHT.reset)
    os.register_at_fork(after_in_child=SILENCE.reset)
