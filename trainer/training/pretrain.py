"""Trains a critic as a classifier of blur before adversarial training, as in NoGAN, and measures how well it is calibrated.

The label is 0 for sharp and 1 for blurred photographs. The score of a critic, which is higher for sharper photographs, is minus
the logit of "blurred". So the cross entropy of the labels is the critic's loss of the objective "gan", where blurred photographs
take the place of restored ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from blurkit.program.signals import Stop
from blurkit.report.page import MUTED, OPENS
from blurkit.report.plots import Plots
from trainer.data.pairs import Pairs
from trainer.data.stream import Stream
from trainer.losses.adversarial import cross_entropy, mean_scores, score_maps
from trainer.networks.critics import Critic

BINS = 10


def pretrain(critic: Critic, stream: Stream, stop: Stop, *, steps: int, rate: float, tell: Callable[[int], None]) -> None:
    """Train a critic in place with Adam on the batches of a stream. ``tell`` is called with the number of steps after each.

    Maps of scores are judged at each place, and the losses of several maps are averaged. After a signal no step follows.
    """
    optimizer = torch.optim.Adam(critic.parameters(), lr=rate, fused=True)
    critic.train()
    for number in range(steps):
        if stop:
            return
        blurred, sharp = next(stream)
        maps = zip(score_maps(critic, blurred), score_maps(critic, sharp), strict=True)
        optimizer.zero_grad()
        torch.stack([cross_entropy(low, high) for low, high in maps]).mean().backward()
        optimizer.step()
        tell(number + 1)


@torch.no_grad()
def classify(critic: Critic, pairs: Pairs, crop: int, device: torch.device) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns the probability that a photograph is blurred, and its label, of the sharp and the blurred middle of each pair: two
    arrays (2 n,). The logit is that of the mean score, first over places, then over maps."""
    critic.eval()
    chances = []
    for index, (height, width) in enumerate(pairs.sizes.tolist()):
        images = np.stack(pairs.crop(index, (height - crop) // 2, (width - crop) // 2, crop))  # sharp, blurred
        scores = critic(torch.from_numpy(images).to(device).permute(0, 3, 1, 2) / 127.5 - 1)
        mean: Tensor = torch.stack([mean_scores(part) for part in scores]).double().mean(0)
        chances.append(torch.sigmoid(-mean).tolist())
    return np.array(chances).ravel(), np.tile([0, 1], len(pairs))


def reliability(chances: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
    """Returns the reliability diagram and the expected calibration error (Guo et al., ICML 2017, here of the label 1).

    The diagram is float64 (n, 3): mean probability, share of the label 1, and count, of each of ten bins that is not empty. The
    error is the mean distance of the first two, weighted by the third.
    """
    bins = np.minimum((chances * BINS).astype(int), BINS - 1)
    masks = [bins == number for number in np.unique(bins)]
    rows = np.array([(chances[mask].mean(), labels[mask].mean(), mask.sum()) for mask in masks])
    return rows, float(np.average(np.abs(rows[:, 0] - rows[:, 1]), weights=rows[:, 2]))


def draw_reliability(path: Path, rows: NDArray[np.float64], *, title: str, subtitle: str) -> None:
    """Draw a reliability diagram: the closer to the diagonal, the better the probabilities are calibrated."""
    name = "share of blurred photographs over the probability that is given"
    plots = Plots([], [name], columns=1, width=900, title=title, subtitle=subtitle)
    axes = plots.panels[name]
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1)
    axes.plot(rows[:, 0], rows[:, 1], color=OPENS, linewidth=1.8)
    axes.scatter(rows[:, 0], rows[:, 1], s=20 + 200 * rows[:, 2] / rows[:, 2].max(), color=OPENS)
    axes.set(xlim=(0, 1), ylim=(-0.05, 1.05))
    plots.head(name, f"{int(rows[:, 2].sum()):,} crops", MUTED)
    plots.save(path)
