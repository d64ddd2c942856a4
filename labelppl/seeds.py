"""One way from a user's seed to every random number: ``stream(seed, *names)``.

A stream is named for what it draws, ``stream(seed, "sbc", 17, "prior")``, so that adding a draw to one part of a job
never moves the numbers of another. The derivation is

    names -> bytes that only these names give (kind, length and content of each)
          -> SHA-256, eight words of 32 bits
          -> numpy.random.SeedSequence(seed, spawn_key=words).

Two different lists of names share a stream only if SHA-256 has a collision; ``("a", "b")`` and ``("ab",)``, ``1`` and
``"1"`` are different names. The seed itself is the sequence's entropy, so that seeds of any size differ too.

PyTorch's own ``manual_seed`` keeps only 32 bits on the CPU: among 10,000 streams two would be the same with probability
about 1 %. A torch generator of a stream therefore gets the whole state of the Mersenne Twister (19,937 bits).
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .errors import InputError

if TYPE_CHECKING:
    from torch import Generator, Tensor
    from torch import device as Device  # noqa: N812

Name = str | int

_BITS = 2**63 - 1  #: an integer seed fits a signed 64-bit integer, which every library takes
_STATE_AT = 24  #: bytes before the twister's words in torch's CPU state: seed, left, seeded, next
_WORDS = 624


@dataclass(frozen=True)
class Stream:
    """A stream of random numbers, named by the user's seed and by what it is for.

    Every call of a method starts the stream from its beginning.
    """

    seed: int
    names: tuple[Name, ...] = ()

    def stream(self, *names: Name) -> Stream:
        """The stream of ``names`` below this one; ``stream(s, "a", "b")`` is ``stream(s, "a").stream("b")``."""
        return stream(self.seed, *self.names, *names)

    def sequence(self) -> np.random.SeedSequence:
        """NumPy's seed sequence, from which everything else here is made."""
        digest = hashlib.sha256(b"".join(map(_encode, self.names))).digest()
        words = np.frombuffer(digest, dtype=">u4")
        return np.random.SeedSequence(self.seed, spawn_key=tuple(int(word) for word in words))

    def integer(self) -> int:
        """A seed of 63 bits, for a function that takes an integer."""
        return int(self.sequence().generate_state(1, np.uint64)[0]) & _BITS

    def word(self) -> int:
        """A seed of 32 bits, for a function that takes no more (scikit-learn's ``random_state``)."""
        return int(self.sequence().generate_state(1)[0])

    def numpy(self) -> np.random.Generator:
        """A NumPy generator."""
        return np.random.default_rng(self.sequence())

    def torch(self, device: Device | str = "cpu") -> Generator:
        """A PyTorch generator on ``device``."""
        import torch

        generator = torch.Generator(device).manual_seed(self.integer())
        if generator.device.type == "cpu":
            generator.set_state(self._twister(generator.get_state()))
        return generator

    @contextmanager
    def torch_default(self, devices: Sequence[Device | str | int] = ()) -> Iterator[None]:
        """PyTorch's global generators follow this stream inside the block and go on afterwards as if nothing had been.

        For functions that take no generator: a user's Pyro function, a new network's weights. ``devices``: CUDA
        devices that the block uses.
        """
        import torch

        with torch.random.fork_rng(devices=list(devices)):
            torch.set_rng_state(self.torch().get_state())
            for device in devices:
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(self.integer())
            yield

    def _twister(self, state: Tensor) -> Tensor:
        """A freshly seeded CPU state with this stream's words in place of those that 32 bits gave."""
        import torch

        key = np.random.MT19937(self.sequence()).state["state"]["key"].astype(np.uint64)
        content = state.numpy().copy()
        content[_STATE_AT : _STATE_AT + 8 * _WORDS] = key.view(np.uint8)
        return torch.from_numpy(content)


def stream(seed: int, *names: Name) -> Stream:
    """The stream of random numbers for ``names`` under the user's ``seed``.

    Args:
        seed: The user's seed, an integer of 0 or more, of any size.
        *names: What the numbers are for, from the outside inwards: words and integers.

    Returns:
        A `Stream`; take ``.numpy()``, ``.torch()`` or ``.integer()``.

    Raises:
        InputError: The seed is negative or no integer.

    Examples:
        >>> stream(0, "bootstrap").numpy().integers(100, size=3).tolist()
        [30, 85, 56]
        >>> stream(0, "chain", 1).integer() == stream(0, "chain", 2).integer()
        False
    """
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if number < 0:
        raise InputError(f"seed: got {seed!r}, expected an integer of 0 or more, e.g. 0")
    return Stream(number, tuple(names))


def _encode(name: Name) -> bytes:
    """Kind, length and content of one name, so that no two lists of names give the same bytes."""
    kind, text = (b"s", name) if isinstance(name, str) else (b"i", str(operator.index(name)))
    content = text.encode()
    return kind + len(content).to_bytes(8, "big") + content
