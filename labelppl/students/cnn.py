"""The paper's convolutional network (Vega et al., AISTATS 2021).

Five 3x3 convolutions of 32, 64, 128, 256 and 512 channels, two fully connected layers of 1000
neurons, ReLU throughout, one sigmoid neuron for two classes and one neuron per class for more.
The paper states neither padding nor pooling; "same" padding and a 2x2 max pool after every
convolution are the reading whose size is plausible: 10,763,001 parameters for
1x128x128 and 10,763,577 for 3x128x128. Any size from 32x32 on works; the first fully connected
layer follows it.

Pooling stands before the ReLU: the two commute exactly, max(relu(a), relu(b)) = relu(max(a, b)),
and the ReLU then touches a quarter of the values.

Weights start as He et al. (2015) for ReLU networks, biases at 0, and the output layer at 0, so that
training starts from equal class probabilities whatever the images.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..errors import InputError

WIDTHS = (32, 64, 128, 256, 512)
HIDDEN = 1000
SMALLEST = 2 ** len(WIDTHS)


class PaperCNN(nn.Module):
    """outputs: 1 for one sigmoid neuron, else the number of classes.

    forward: images (batch, channels, height, width) -> logits (batch, outputs).
    Raises InputError for images smaller than 32x32.
    """

    def __init__(self, *, channels: int, height: int, width: int, outputs: int) -> None:
        super().__init__()
        if min(height, width) < SMALLEST:
            raise InputError(
                f"student cnn: got images of {height}x{width}, expected at least "
                f"{SMALLEST}x{SMALLEST}; give a larger image size"
            )
        layers: list[nn.Module] = []
        for before, after in zip((channels, *WIDTHS[:-1]), WIDTHS, strict=True):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        flat = WIDTHS[-1] * (height // SMALLEST) * (width // SMALLEST)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(flat, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
        )
        self.output = nn.Linear(HIDDEN, outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        nn.init.zeros_(self.output.weight)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.output(self.head(self.features(images)))
        return logits
