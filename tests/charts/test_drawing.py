"""A chart is drawn by matplotlib in a process of its own."""

import io

import pytest
from PIL import Image

from dca_bot.charts.painter import draw_aside
from dca_bot.core.picture import Panel, Picture
from dca_bot.errors import ChartFailed

PANEL = Panel("Q1,500.00 ñ ₿", [(0, 0), (50, 10), (100, 70)], [(0, "0"), (50, "50"), (100, "100")])


async def test_picture_is_a_png_as_wide_as_a_phone_in_the_wanted_colours():
    picture = Picture(
        is_dark=True, heading="$x^2$", days=[(0, "1 Mar"), (100, "2 Mar")], panels=[PANEL]
    )
    drawn = Image.open(io.BytesIO(await draw_aside(picture.to_json())))
    assert (drawn.format, drawn.width) == ("PNG", 1080)
    colours = drawn.convert("RGB").getcolors()
    assert max(colours)[1] == (22, 24, 28)


async def test_picture_that_cant_be_drawn_is_refused():
    with pytest.raises(ChartFailed, match="matplotlib ended with 1"):
        await draw_aside(b"no JSON", module="json.tool")
