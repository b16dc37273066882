# SPDX-License-Identifier: Apache-2.0
"""Each generator of attacks, with a fixed seed and for some seconds. A long run is
`make attack ATTACK_COUNT=100000 ATTACK_SEED=7`."""

import pytest
from launching import launch

# A generator, the number of cases of a short run, and variables of the environment.
RUNS = [
    ("random_transforms", 700, {}),
    ("random_transforms", 200, {"VIEWCAST_SIMD": "scalar"}),
    ("random_resizes", 600, {}),
    ("random_resizes", 200, {"VIEWCAST_SIMD": "scalar"}),
    ("random_yuvs", 400, {}),
    ("random_yuvs", 150, {"VIEWCAST_SIMD": "scalar"}),
    ("hostile_descriptions", 2000, {}),
    ("shifting_tensors", 700, {}),
    ("shifting_tensors", 300, {"VIEWCAST_SLOW": "1"}),
    ("exchanged_storage", 60, {}),
    ("exchanged_storage", 30, {"VIEWCAST_SLOW": "1"}),
    ("interruptions", 200, {}),
]


def named(run):
    generator, _, variables = run
    return " ".join([generator, *(f"{key}={value}" for key, value in variables.items())])


@pytest.mark.parametrize("run", RUNS, ids=named)
def test_no_attack_succeeds(run, seed, count_or, tell, tmp_path):
    generator, short, variables = run
    tell(launch(generator, seed, count_or(short), tmp_path, **variables))
