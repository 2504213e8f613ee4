"""The loop of a periodic job: look, pause, look again; an error of a look ends the loop."""

import pytest

from dca_bot.jobs.repeat import repeat


class Steps:
    """Notes what happens in which order, and fails at the third look."""

    def __init__(self):
        self.seen = []

    async def look(self):
        self.seen.append("look")
        if self.seen.count("look") == 3:
            raise RuntimeError("enough")

    async def sleep(self, delay_s):
        self.seen.append(delay_s)


@pytest.mark.parametrize(
    ("pauses", "slept"), [(30, [30, 30]), (iter([5, 7]).__next__, [5, 7])], ids=["fixed", "asked"]
)
async def test_job_looks_at_once_and_again_after_each_pause(pauses, slept):
    steps = Steps()
    with pytest.raises(RuntimeError, match="enough"):
        await repeat(steps.look, steps, pauses)
    assert steps.seen == ["look", slept[0], "look", slept[1], "look"]
