"""The learning rate over a run."""

from __future__ import annotations

import math

from trainer.config import Schedule


def factor(schedule: Schedule, step: int, steps: int) -> float:
    """What the learning rate is multiplied by at a step, counted from 0, of a run of ``steps``; within [0, 1].

    It rises linearly over ``warmup`` steps, stays for ``hold``, and falls to zero at the end: as published for DeblurGAN where
    ``kind`` is "linear" and ``every`` is an epoch, after whose last step it would be zero. It changes each ``every`` steps.
    """
    step -= step % schedule.every
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    begin = max(schedule.warmup, schedule.hold)
    if schedule.kind == "constant" or step < begin:
        return 1.0
    share = min((step - begin) / max(steps - begin, 1), 1.0)
    return 1 - share if schedule.kind == "linear" else 0.5 * (1 + math.cos(math.pi * share))
