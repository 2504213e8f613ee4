"""Draws a picture (`core/picture`) for a phone: `python -m dca_bot.charts.draw` reads JSON and writes PNG.

matplotlib stays in this process, and is gone with it.
"""

import io
import json
import os
import sys
from contextlib import suppress
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

_SIZE_INCHES = (5.4, 6.0)
_DPI = 200
_LAYOUT = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
_COLOURS = 64
_MARGIN = 1.04
_LINES = {False: ("#d9730d", "#1f6feb"), True: ("#ffa94d", "#6cb2ff")}
_PAPER = {False: "#ffffff", True: "#16181c"}
_INK = {False: "#1c1e21", True: "#e8eaed"}
_GRID = {False: "#d8dbe0", True: "#3a3f47"}


def draw(picture: dict[str, Any]) -> bytes:
    """Return a picture as PNG."""
    is_dark = picture["is_dark"]
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, facecolor=_PAPER[is_dark], layout=_LAYOUT)
    figure.suptitle(picture["heading"], color=_INK[is_dark], fontsize=15)
    panels = picture["panels"]
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for number, (panel, axis) in enumerate(zip(panels, axes, strict=True)):
        _panel(axis, panel, _LINES[is_dark][number % 2], is_dark=is_dark)
    at, texts = zip(*picture["days"], strict=True)
    axes[-1].set_xticks(at, texts)
    axes[-1].set_xlim(at[0], at[-1])
    labels = axes[-1].get_xticklabels()
    labels[0].set_horizontalalignment("left")
    labels[-1].set_horizontalalignment("right")
    canvas: Any = FigureCanvasAgg(figure)
    written = io.BytesIO()
    canvas.draw()
    # A few colours take a third of the bytes.
    image = Image.frombuffer("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba()))
    image.convert("RGB").quantize(_COLOURS).save(written, "png", optimize=True)
    return written.getvalue()


def _panel(axis: Axes, panel: dict[str, Any], colour: str, *, is_dark: bool) -> None:
    at, amounts = zip(*panel["points"], strict=True)
    axis.set_facecolor(_PAPER[is_dark])
    axis.step(at, amounts, where="post", color=colour, linewidth=2.5)
    axis.fill_between(at, amounts, step="post", color=colour, alpha=0.18, linewidth=0)
    axis.set_title(panel["heading"], color=colour, fontsize=14, loc="left")
    axis.set_yticks(*zip(*panel["marks"], strict=True))
    axis.set_ylim(0, panel["marks"][-1][0] * _MARGIN)
    axis.tick_params(colors=_INK[is_dark], labelsize=12, length=0)
    axis.grid(axis="y", color=_GRID[is_dark], linewidth=0.8)
    for side in axis.spines.values():
        side.set_visible(False)


if __name__ == "__main__":
    with suppress(OSError):  # A hardened service may not.
        os.nice(10)
    sys.stdout.buffer.write(draw(json.load(sys.stdin)))
