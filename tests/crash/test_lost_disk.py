"""A disk that is lost: the bot comes back from its encrypted copy; `make lost-disk` has ten moments."""

import pytest
from crash.lost_disk import MOMENTS, lose, strike_of
from crash.parts import joined
from crash.world import Strike
from lnbits_servers import Server

LEFT = "rename dca-bot-3fa9c1d2-….age.part #1"


def test_moment_is_a_point_after_the_copy_has_left():
    post = [f"request POST /api/v1/payments #{number}" for number in (1, 2, 3)]
    points = [post[0], LEFT, post[1], "commit fact #9", post[2]]
    assert strike_of(("", r"request POST", 2, "sent"), points) == Strike(post[2], "sent")
    assert strike_of(("", "", 0, ""), points) == Strike()


@pytest.mark.long
async def test_lost_disk_is_restored_and_nothing_paid_twice(lnbits, remote_lnbits, tmp_path):
    with joined(Server(remote_lnbits), lnbits, tmp_path) as shared:
        points = (await lose(shared, MOMENTS[-1], None)).held
        row = await lose(shared, MOMENTS[6], points)
    assert row.is_clean, row
    assert (len(row.held), row.listed) == (1, 1)
