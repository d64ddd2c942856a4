"""The networks and schedules of papers 2 and 3 on small parts of real data, through the commands. Accuracy is not the point: two epochs.

    python benchmarks/paper_setups.py --data ../shared/data --out setups
    cd setups && sh run.sh

Writes into the folder:

- `cifar10h.csv`: 400 train, 120 val and 200 test images with their votes.
- `pneumonia.csv`: 400 train images in proportion; the data set's val rows are the test set.
- `pneumonia_few.csv`: 120 of each, for the 140 million weights of VGG-19.
- `densenet121.safetensors`: random weights, a stand-in for pretrained ones.
- `paper2.toml`, and `run.sh` with the commands.
"""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd
import torch
from safetensors.torch import save_file

from labelppl.students.timm import import_timm_for

PAPER_2 = """data = "cifar10h.csv"
label = "true_label"
votes = "votes"
lam = "inf"

[student]
student = "timm:densenet121"
weights = "densenet121.safetensors"
augment = "natural+hflip"

[schedule]
optimiser = "sgd"
lr = 0.1
decay = "cosine"
weight_decay = 5e-4
batch_size = 128
epochs = 2
"""
RUN = """labelppl distill --config paper2.toml --device cpu --quiet --run paper2
for net in resnet50 mobilenetv2_100; do
  labelppl compare --label diagnosis --data pneumonia.csv --methods hard,smooth,tfkd-reg,ols --repeats 1 \\
    --student timm:$net --image-size 32 --epochs 2 --batch-size 64 --validation 0.2 --device cpu --quiet --run $net
done
labelppl compare --label diagnosis --data pneumonia_few.csv --methods hard,smooth,tfkd-reg,ols --repeats 1 \\
  --student timm:vgg19 --image-size 32 --epochs 1 --batch-size 64 --validation 0.2 --device cpu --quiet --run vgg19
"""


@click.command()
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path))
def main(data: Path, out: Path) -> None:
    """Write the tables, the weights, the TOML file and the commands."""
    out.mkdir(parents=True, exist_ok=True)
    votes = _table(data / "cifar10h" / "cifar10h.csv")
    sizes = (("train", 400), ("val", 120), ("test", 200))
    parts = [votes[votes["split"] == split].sample(n, random_state=0) for split, n in sizes]
    pd.concat(parts).to_csv(out / "cifar10h.csv", index=False)
    lungs = _table(data / "pneumonia" / "pneumonia.csv")
    train = lungs[lungs["split"] == "train"]
    some = train.groupby("diagnosis").sample(frac=400 / len(train), random_state=0)
    test = lungs[lungs["split"] == "val"].assign(split="test")
    pd.concat([some, test]).to_csv(out / "pneumonia.csv", index=False)
    few = [part.sample(120, random_state=0) for part in (some, test)]
    pd.concat(few).to_csv(out / "pneumonia_few.csv", index=False)
    torch.manual_seed(0)
    network = import_timm_for("densenet121").create_model("densenet121", num_classes=1000)
    save_file(network.state_dict(), out / "densenet121.safetensors")
    (out / "paper2.toml").write_text(PAPER_2)
    (out / "run.sh").write_text(RUN)


def _table(path: Path) -> pd.DataFrame:
    """A table, its images by their full paths."""
    table = pd.read_csv(path, dtype={"id": str})
    table["image"] = [str((path.parent / image).resolve()) for image in table["image"]]
    return table


if __name__ == "__main__":
    main()
