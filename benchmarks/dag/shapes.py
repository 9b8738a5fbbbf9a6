"""Workflow files to run: layers, and the shapes of Montage and Epigenomics.

The two follow the structure of the recipes of WfCommons (https://wfcommons.org); the package
itself brings NumPy, SciPy and pandas for what is thirty lines here.
"""

from __future__ import annotations

import math
import random
from typing import NamedTuple

_LAYER = 100


class Step(NamedTuple):
    """An id and the ids it depends on."""

    id: str
    needs: list[str]


def layered(count: int) -> list[Step]:
    """Layers of 100; each step depends on two of the layer above."""
    steps = []
    for number in range(count):
        layer, place = divmod(number, _LAYER)
        above = (layer - 1) * _LAYER
        needs = {above + place, above + (place * 7 + 1) % _LAYER} if layer else set()
        steps.append(Step(f"step-{number}", [f"step-{one}" for one in sorted(needs)]))
    return steps


def montage(count: int) -> list[Step]:
    """Mosaics of sky images: project, difference of neighbours, fit, correct, add; three colours.

    Per colour: n mProject, about 2.5 n mDiffFit on two of them, mConcatFit, mBgModel, n
    mBackground, mImgtbl, mAdd, mViewer; at last one mViewer over all.
    """
    steps: list[Step] = []
    images = round((count - 1 - 3 * 5) / (3 * 4.5))
    views = []
    for colour in ("red", "green", "blue"):
        project = [f"mProject-{colour}-{n}" for n in range(images)]
        steps += [Step(one, []) for one in project]
        fits = []
        for n in range(round(2.5 * images)):
            pair = [project[n % images], project[(n + 1 + n // images) % images]]
            fits.append(f"mDiffFit-{colour}-{n}")
            steps.append(Step(fits[-1], sorted(set(pair))))
        concat, model = f"mConcatFit-{colour}", f"mBgModel-{colour}"
        steps += [Step(concat, fits), Step(model, [concat])]
        corrected = [f"mBackground-{colour}-{n}" for n in range(images)]
        steps += [Step(one, [model, project[n]]) for n, one in enumerate(corrected)]
        table, add, view = f"mImgtbl-{colour}", f"mAdd-{colour}", f"mViewer-{colour}"
        steps += [Step(table, corrected), Step(add, [table, *corrected]), Step(view, [add])]
        views.append(view)
    return [*steps, Step("mViewer-all", views)]


def epigenomics(count: int) -> list[Step]:
    """Lanes of a sequencer: split, four steps for each chunk, merge; all lanes merged at last."""
    steps: list[Step] = []
    lanes = 7
    chunks = round((count - 3 - 2 * lanes) / (4 * lanes))
    merged = []
    for lane in range(lanes):
        split = f"fastqSplit-{lane}"
        steps.append(Step(split, []))
        mapped = []
        for chunk in range(chunks):
            above = split
            for name in ("filterContams", "sol2sanger", "fast2bfq", "map"):
                steps.append(Step(f"{name}-{lane}-{chunk}", [above]))
                above = steps[-1].id
            mapped.append(above)
        merged.append(f"mapMerge-{lane}")
        steps.append(Step(merged[-1], mapped))
    steps.append(Step("mapMerge-all", merged))
    return [*steps, Step("maqIndex", ["mapMerge-all"]), Step("pileup", ["maqIndex"])]


def durations(steps: list[Step], *, median_s: float, sigma: float, seed: int) -> dict[str, float]:
    """Log-normal durations in seconds, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - the same for the same seed
    return {one.id: chance.lognormvariate(math.log(median_s), sigma) for one in steps}


def longest_path_s(steps: list[Step], durations_s: dict[str, float]) -> float:
    """The critical path in seconds: no schedule is shorter. Needs come before who needs them."""
    ends: dict[str, float] = {}
    for one in steps:
        ends[one.id] = max((ends[n] for n in one.needs), default=0.0) + durations_s[one.id]
    return max(ends.values())


def as_yaml(name: str, steps: list[Step]) -> str:
    """The file, as a person would write it."""
    lines = [f"name: {name}", "steps:"]
    for number, one in enumerate(steps):
        lines.append(f"  - id: {one.id}")
        lines.append(f"    description: Step {number} of {name}")
        if one.needs:
            lines.append("    dependsOn:")
            lines += [f"      - {need}" for need in one.needs]
        lines += ["    task:", f"      name: {one.id}", "      imageUri: img", "      args:"]
        lines += ["        - run", "        - --number", f'        - "{number}"']
    return "\n".join(lines) + "\n"
