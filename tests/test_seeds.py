"""The streams of random numbers: the same twice, apart from each other, and without a trace afterwards."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from labelppl import InputError
from labelppl.comparison.splits import seed_of
from labelppl.seeds import _encode, stream
from labelppl.split import make_split

DIFFERENT = [
    (0,), (1,), (2**40,), (0, "a"), (0, "a", "b"), (0, "ab"), (0, "b", "a"), (0, "1"), (0, 1), (0, 1, 0), (0, ""),
    (0, "", ""), (0, -1), (0, "a", 0), (1, "a"),
]  # fmt: skip


def test_the_same_names_give_the_same_numbers_in_every_form() -> None:
    one, two = stream(7, "fit", 3), stream(7, "fit").stream(3)
    assert one == two
    assert one.integer() == two.integer()
    assert (one.numpy().random(5) == two.numpy().random(5)).all()
    assert torch.equal(torch.rand(5, generator=one.torch()), torch.rand(5, generator=two.torch()))


@pytest.mark.parametrize("form", ["integer", "numpy", "torch"])
def test_different_names_give_different_numbers(form: str) -> None:
    def first(names: tuple[object, ...]) -> object:
        made = stream(*names)  # type: ignore[arg-type]
        if form == "integer":
            return made.integer()
        if form == "numpy":
            return made.numpy().random()
        return torch.rand((), generator=made.torch(), dtype=torch.float64).item()

    assert len({first(names) for names in DIFFERENT}) == len(DIFFERENT)


def test_no_two_lists_of_names_have_the_same_bytes() -> None:
    words = ["", "a", "b", "ab", "s", "i", "0", "1", 0, 1, -1, 10, "i\0", "\0"]
    lists = [names for n in range(4) for names in itertools.product(words, repeat=n)]
    assert len({b"".join(map(_encode, names)) for names in lists}) == len(lists)


def test_the_derivation_is_what_is_documented_and_never_changes() -> None:
    import hashlib

    content = b"s" + (3).to_bytes(8, "big") + b"fit" + b"i" + (2).to_bytes(8, "big") + b"12"
    words = np.frombuffer(hashlib.sha256(content).digest(), dtype=">u4").tolist()
    expected = np.random.SeedSequence(5, spawn_key=words)
    assert stream(5, "fit", 12).sequence().spawn_key == tuple(words)
    assert stream(5, "fit", 12).numpy().random() == np.random.default_rng(expected).random()
    assert stream(0, "a").integer() == 1068540699643038696


def test_a_torch_generator_uses_more_than_the_32_bits_of_manual_seed() -> None:
    """Where two integer seeds share their low 32 bits, torch's own generators are the same; a stream's are not."""
    made = stream(0, "x")
    alone = torch.Generator().manual_seed(made.integer())
    low = torch.Generator().manual_seed(made.integer() & 0xFFFFFFFF)
    assert torch.equal(torch.rand(8, generator=alone), torch.rand(8, generator=low))
    key = np.random.MT19937(made.sequence()).state["state"]["key"]
    words = made.torch().get_state().numpy()[24 : 24 + 8 * 624].view(np.uint64)
    assert (words == key).all()


def test_a_torch_generator_draws_what_numpys_twister_draws() -> None:
    """The state is read by torch as it was written: its 32-bit words are those of numpy's MT19937."""
    made = stream(3, "words")
    twister = np.random.MT19937(made.sequence())
    twister.state = {**twister.state, "state": {**twister.state["state"], "pos": 624}}
    raw = twister.random_raw(2000)[1::2]  # torch makes 64 bits of two words and keeps the second
    drawn = torch.randint(0, 2**31, (1000,), generator=made.torch())
    assert (drawn.numpy() == (raw % 2**31).astype(np.int64)).all()


def test_numbers_of_neighbouring_streams_are_unrelated() -> None:
    draws = torch.stack(
        [torch.rand(2000, generator=stream(s, "c", c).torch()) for s in range(4) for c in range(4)]
    )
    off = torch.corrcoef(draws)[~torch.eye(16, dtype=torch.bool)]
    assert off.abs().max() < 5 / np.sqrt(2000)
    assert abs(draws.mean() - 0.5) < 5 * np.sqrt(1 / 12 / draws.numel())


def test_torch_default_follows_the_stream_and_leaves_no_trace() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with stream(9, "prior").torch_default():
        inside = torch.rand(4)
        torch.randn(3)
    assert torch.equal(inside, torch.rand(4, generator=stream(9, "prior").torch()))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("seed", [-1, 0.5, "0", None, float("nan")])
def test_a_seed_that_is_no_whole_number_is_refused(seed: object) -> None:
    with pytest.raises(InputError, match="expected an integer of 0 or more"):
        stream(seed)  # type: ignore[arg-type]


def test_seeds_of_any_size_differ() -> None:
    sizes = [0, 2**32, 2**64, 2**128, 10**40, 10**40 + 1]
    assert len({stream(s, "x").integer() for s in sizes}) == len(sizes)


ROOT = Path(__file__).parents[1]
#: Numbers that do not come from `stream`, with the reason.
OWN_SEEDS = {
    "labelppl/phantoms": "the pictures of a seed are data: figures that were measured on them stay reproducible",
    "labelppl/families/exact/gaussian.py": "goes on from PyTorch's default generator, which the caller set to a stream",
    "labelppl/families/exact/regression.py": "goes on from PyTorch's default generator, which the caller set to a stream",
}
MAKERS = {
    "default_rng",
    "manual_seed",
    "SeedSequence",
    "RandomState",
    "seed_all",
    "seed_everything",
}


def test_every_random_number_comes_from_a_stream() -> None:
    wrong = []
    for path in sorted([*(ROOT / "labelppl").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]):
        place = path.relative_to(ROOT).as_posix()
        if place == "labelppl/seeds.py" or place.startswith(tuple(OWN_SEEDS)):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.func if isinstance(node, ast.Call) else None
            if isinstance(name, ast.Attribute) and name.attr in MAKERS:
                wrong.append(
                    f"{place}:{name.lineno}: {name.attr}; take labelppl.seeds.stream(seed, NAME)"
                )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("place", OWN_SEEDS)
def test_the_places_with_seeds_of_their_own_exist(place: str) -> None:
    files = [ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py")
    assert any(maker in path.read_text(encoding="utf-8") for path in files for maker in MAKERS)


def test_a_seed_of_any_size_cuts_the_cases() -> None:
    """scikit-learn alone takes 32 bits."""
    labels = np.arange(40) % 2
    assert set(make_split(labels, None, 2**40)) == {"train", "test"}
    assert (make_split(labels, None, 2**40) != make_split(labels, None, 2**41)).any()


def test_the_first_repeat_of_compare_is_what_distill_does_and_no_other_repeat_is() -> None:
    assert seed_of(0, 7) == 7
    assert len({seed_of(repeat, seed) for repeat in range(5) for seed in range(5)}) == 25
