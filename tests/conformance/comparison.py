"""Plays the scenario on two stages, and tells line by line where they answer otherwise."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from conformance.scene import Scene, Stage
from conformance.steps import DIFFERENCES, STEPS

Answers = Mapping[tuple[str, int], str]


@dataclass(frozen=True)
class Difference:
    """A line of a step that two stages answer otherwise."""

    step: str
    line: str
    simulated: str
    real: str

    def __str__(self) -> str:
        return (
            f"{self.step}: {self.line}\n    simulated  {self.simulated}\n    real       {self.real}"
        )


async def play(stage: Stage) -> Answers:
    """Play the whole scenario; return the answer to each line by step and place."""
    scene = Scene(stage)
    answers = {}
    for step, lines in STEPS.items():
        for place, line in enumerate(lines):
            answers[step, place] = await scene.play(line)
    return answers


def differences(simulated: Answers, real: Answers) -> list[Difference]:
    """Return each line that is answered otherwise, without a reason why that can't matter."""
    return [
        Difference(step, line, simulated[step, place], real[step, place])
        for step, place, line in _lines()
        if simulated[step, place] != real[step, place] and (step, line) not in DIFFERENCES
    ]


def table(simulated: Answers, real: Answers) -> str:
    """Write all lines with the real answers, and below each that differs the simulated one."""
    rows, last = [], ""
    for step, place, line in _lines():
        rows += [f"\n{step}"] if step != last else []
        rows.append(f"  {line:<28}  {real[step, place]}")
        if simulated[step, place] != real[step, place]:
            rows.append(f"  {'simulated':>28}  {simulated[step, place]}")
        last = step
    return "\n".join(rows)


def _lines() -> Iterator[tuple[str, int, str]]:
    for step, lines in STEPS.items():
        for place, line in enumerate(lines):
            yield step, place, line
