"""Online label smoothing: the table of docs/methods.md §4, the gradient, and two processes against one."""

import os
import subprocess
import sys

import pytest
import torch
from torch.nn import functional

from labelppl.targets import TARGETS, TargetData

OUTPUTS = torch.tensor(
    [[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1]], dtype=torch.float64
)
LABELS = torch.tensor([0, 0, 0, 1])
TABLE = torch.tensor(
    [[0.6, 0.25, 0.15], [0.1, 0.8, 0.1], [1 / 3, 1 / 3, 1 / 3]], dtype=torch.float64
)


def test_table_after_an_epoch():
    target = TARGETS["ols"]()
    target.start(TargetData(hard=LABELS, classes=3))
    for rows in torch.tensor([3, 1, 0, 2]).split(3):
        target.observe(OUTPUTS[rows].log(), rows)
    new = target.end_epoch(0, 5, None)
    torch.testing.assert_close(target.table, TABLE)
    expected = 0.5 * functional.one_hot(LABELS, 3) + 0.5 * TABLE[LABELS]
    torch.testing.assert_close(new, expected.to(new.dtype))


def test_the_next_table_starts_afresh():
    target = TARGETS["ols"]()
    target.start(TargetData(hard=LABELS, classes=3))
    target.observe(OUTPUTS.flip(1).log(), torch.arange(4))
    target.end_epoch(0, 5, None)
    target.observe(OUTPUTS.log(), torch.arange(4))
    target.end_epoch(1, 5, None)
    torch.testing.assert_close(target.table, TABLE)


def test_an_epoch_that_saw_nothing_right_is_uniform():
    target = TARGETS["ols"]()
    target.start(TargetData(hard=LABELS, classes=3))
    target.end_epoch(0, 5, None)
    torch.testing.assert_close(target.table, torch.full_like(TABLE, 1 / 3))


def test_gradient_is_that_of_the_two_losses(evidence, logits, gradient):
    target = TARGETS["ols"](0.3)
    target.start(evidence)
    target.observe(logits, torch.arange(len(logits)))
    targets = target.end_epoch(0, 5, None)
    y = torch.eye(3, dtype=torch.float64)[evidence.hard]
    q = logits.softmax(1)
    expected = 0.3 * (q - y) + 0.7 * (q - target.table[evidence.hard])
    torch.testing.assert_close(gradient(target, logits, targets), expected)


SCRIPT = """
import json, sys
import torch, torch.distributed as dist
from labelppl.targets import TARGETS, TargetData

rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
g = torch.Generator().manual_seed(0)
hard = torch.arange(20) % 3
z = 2 * torch.randn(3, 20, 3, generator=g) + torch.nn.functional.one_hot(hard, 3)
out = {}
for name in ("ols", "self-distillation", "auc-margin"):
    target = TARGETS[name]()
    target.start(TargetData(hard=hard, classes=3))
    for epoch in range(3):
        for rows in torch.arange(rank, 20, 2).split(4):
            target.observe(z[epoch, rows], rows)
        targets = target.end_epoch(epoch, 3, None)
    out[name] = {k: v.tolist() for k, v in target.state_dict().items()}
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """What each of two gloo processes holds after three epochs on its half of the cases."""
    import json

    folder = tmp_path_factory.mktemp("gloo")
    (folder / "half.py").write_text(SCRIPT)
    command = [sys.executable, str(folder / "half.py")]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    halves = [
        subprocess.Popen(
            [*command, str(rank), str(folder / "store")], stdout=subprocess.PIPE, env=env
        )
        for rank in (0, 1)
    ]
    return [json.loads(half.communicate(timeout=120)[0]) for half in halves]


def test_two_processes_hold_the_same_state(two_processes):
    assert two_processes[0] == two_processes[1]


@pytest.mark.parametrize(("name", "key"), [("ols", "table"), ("self-distillation", "past")])
def test_two_processes_give_the_table_of_one(two_processes, name, key):
    g = torch.Generator().manual_seed(0)
    hard = torch.arange(20) % 3
    z = 2 * torch.randn(3, 20, 3, generator=g) + functional.one_hot(hard, 3)
    alone = TARGETS[name]()
    alone.start(TargetData(hard=hard, classes=3))
    for epoch in range(3):
        alone.observe(z[epoch], torch.arange(20))
        alone.end_epoch(epoch, 3, None)
    got = torch.tensor(two_processes[0][name][key], dtype=torch.float64)
    torch.testing.assert_close(got, alone.state_dict()[key].double(), rtol=0, atol=1e-7)
