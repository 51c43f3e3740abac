"""What guidance does to the frames of an utterance."""

from typing import TYPE_CHECKING

import numpy as np

from emoboost.plots.canvas import ERROR, new_figure, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEGMENT_SECONDS = 3.0
HIGHEST_KHZ = 4.0


def plot_enhancement(spectrogram: np.ndarray, weights: np.ndarray, seconds: float, title: str) -> "Figure":
    """The frame weights of one segment over its spectrogram.

    Args:
        spectrogram: (time, frequency) in [0, 1], over 3 s and up to 4 kHz.
        weights: (T',) weights over the same 3 s, relative to mean pooling.
        seconds: length of the speech; what follows is padding and gets no curve.
        title: above the picture.
    """
    figure = new_figure(8.4, 3.6)
    axes = figure.subplots()
    axes.imshow(
        spectrogram.T,
        origin="lower",
        aspect="auto",
        extent=(0, SEGMENT_SECONDS, 0, HIGHEST_KHZ),
        cmap="gray_r",
        vmin=0,
        vmax=1,
    )
    axes.set_xlabel("time (s)")
    axes.set_ylabel("frequency (kHz)")
    over = axes.twinx()
    times = (np.arange(len(weights)) + 0.5) * SEGMENT_SECONDS / len(weights)
    spoken = times <= seconds
    over.axhline(1, color=ERROR, linestyle=":", linewidth=1.2, label="1: as mean pooling")
    over.plot(times[spoken], weights[spoken], color=ERROR, linewidth=2, label="frame weight")
    over.set_ylabel("frame weight (times mean pooling)", color=ERROR)
    over.tick_params(axis="y", colors=ERROR)
    over.set_ylim(0, max(2.0, 1.1 * float(weights[spoken].max(initial=0))))
    if seconds < SEGMENT_SECONDS:
        axes.axvspan(seconds, SEGMENT_SECONDS, color="#56B4E9", alpha=0.3, linewidth=0, label="padding")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(wrapped(title, 8.4), fontsize=11)
    return figure
