# SPDX-License-Identifier: Apache-2.0
"""How many networks the twin of the planner judges in a second of one core's time.

    python -m benchmarks.twin_rate

The first hundred of a space meet layers that weren't seen before; the rate is that of the next
thousand. CPU time, so that other work on the machine doesn't count.
"""

from __future__ import annotations

import time

import numpy as np

from tinynas.hardware import Twin
from tinynas.space import Space, Stage

SMALL = Space(1, 10, (Stage(16, 2), Stage(24, 2), Stage(40, 1)), (0.5, 0.75, 1.0), (20, 24, 28))
SENSOR = Space(
    6, 7, (Stage(16, 2), Stage(24, 2), Stage(40, 2)), (0.5, 1.0), (64, 128), dimensions=1
)
MCUNET = Space(
    3,
    1000,
    tuple(Stage(*at) for at in ((24, 2), (40, 2), (80, 2), (96, 1), (192, 2), (320, 1))),
    (0.5,),
    (128,),
    stem=32,
    first=16,
    divisor=8,
)


def main() -> None:
    for name, space in (("grey 28x28", SMALL), ("sensor", SENSOR), ("MCUNet's, 0.5, 128", MCUNET)):
        twin, random = Twin(), np.random.default_rng(0)
        rates = []
        for count in (100, 1000):
            networks = [space.architecture(space.sample(random)) for _ in range(count)]
            start = time.process_time()
            for architecture in networks:
                twin.judge(architecture)
            rates.append(count / (time.process_time() - start))
        print(f"{name}: {rates[0]:.0f} a second at first, then {rates[1]:.0f}", flush=True)


if __name__ == "__main__":
    main()
