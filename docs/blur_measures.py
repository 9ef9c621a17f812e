"""Measures of blur, for pairs and for photographs alone: what ``real_blur.py`` compares.

A blur at one place is summed up by a matrix, symmetric, 2 x 2, in squared pixels. The roots of its eigenvalues are the length
and the width of the blur: of a straight uniform blur they are its length and zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq, least_squares
from scipy.special import gammaln

Floats = NDArray[np.float64]

#: The Gaussian nearest to a straight uniform blur of length L has a variance of L^2 / NEAREST, more than the blur's L^2 / 12: by
#: least squares 8.3 for white noise, 9.0 and 9.8 where the power along the blur falls as 1/f and 1/f^2.
NEAREST = 9.2
#: Pixels around a patch whose light may enter it, of which the outer ones fade out, since a Fourier transform is periodic.
MARGIN, FADE = 26, 8
#: Side of a patch, in pixels: of a pair, and of a photograph alone, which needs edges of all four orientations.
PATCH, WIDE_PATCH = 42, 80
#: The least rms gradient of a sharp patch in its least textured direction, in full scale of linear light per pixel.
TEXTURE = 0.008
#: An edge rises by this many codes at least, and this many of each orientation make a median.
RISE, EDGES = 24, 6
#: Blur that is shorter, in pixels, has no shape; fewer patches of a frame say nothing about its variation.
LEAST_LENGTH, LEAST_PATCHES = 2.0, 4


def gradients(luma: Floats) -> Floats:
    """Differences of neighbours along rows and columns of an image (h, w), flat."""
    return np.concatenate([np.diff(luma, axis=axis).ravel() for axis in (0, 1)])


def shape_exponent(values: Floats) -> float:
    """The exponent a of the generalised Gaussian p(g) ~ exp(-|g/s|^a) with the same (E|g|)^2 / E(g^2) as these values.

    Mallat, IEEE PAMI 11(7), 1989. 2 is a Gaussian, 1 a Laplacian; Krishnan and Fergus, NIPS 2009, give .5 to .8 for photographs.
    """
    ratio = np.log(np.mean(np.abs(values)) ** 2 / np.mean(values**2))
    return float(brentq(lambda a: 2 * gammaln(2 / a) - gammaln(1 / a) - gammaln(3 / a) - ratio, 0.1, 50))


def pair_blur(sharp: Floats, blurred: Floats) -> Iterator[tuple[Floats, Floats]]:
    """(matrix, shift) of each textured patch of a pair of linear light (h, w); shift (x, y) in pixels, blurred against sharp."""
    side = PATCH + 2 * MARGIN
    fade = np.minimum(np.arange(side) + 0.5, FADE) / FADE
    fade = np.sin(np.pi / 2 * np.minimum(fade, fade[::-1])) ** 2
    for y in range(0, sharp.shape[0] - side + 1, PATCH):
        for x in range(0, sharp.shape[1] - side + 1, PATCH):
            patch = sharp[y : y + side, x : x + side]
            inner = patch[MARGIN:-MARGIN, MARGIN:-MARGIN]
            if texture(inner) >= TEXTURE:
                faded = (patch - inner.mean()) * np.outer(fade, fade)
                yield nearest_gaussian(faded, blurred[y : y + side, x : x + side][MARGIN:-MARGIN, MARGIN:-MARGIN] - inner.mean())


def texture(patch: Floats) -> float:
    """The rms gradient in the direction that has least of it: the smaller eigenvalue of Shi and Tomasi, CVPR 1994."""
    along = np.stack([part.ravel() for part in np.gradient(patch)])
    return float(np.sqrt(np.linalg.eigvalsh(along @ along.T / patch.size)[0]))


def nearest_gaussian(sharp: Floats, blurred: Floats) -> tuple[Floats, Floats]:
    """(matrix, shift) of the Gaussian that turns a patch with its margin into the blurred patch, by least squares.

    Relative blur as in depth from defocus (Subbarao, ICCV 1988), here with all three entries of the covariance and a shift.
    """
    spectrum = rfft2(sharp)
    v, u = 2 * np.pi * np.fft.fftfreq(sharp.shape[0])[:, None], 2 * np.pi * np.fft.rfftfreq(sharp.shape[1])[None, :]

    def inner(transform: NDArray[np.complex128]) -> Floats:
        return irfft2(transform, s=sharp.shape)[MARGIN:-MARGIN, MARGIN:-MARGIN].ravel()

    def moved(p: Floats) -> NDArray[np.complex128]:  # p: a, b, c of the factor ((a, 0), (b, c)) of the covariance; shift
        return spectrum * np.exp(-((p[0] * u + p[1] * v) ** 2 + (p[2] * v) ** 2) / 2 - 1j * (p[3] * u + p[4] * v))

    def slopes(p: Floats) -> Floats:
        along = p[0] * u + p[1] * v
        return np.stack([inner(moved(p) * by) for by in (-along * u, -along * v, -p[2] * v * v, -1j * u, -1j * v)], axis=1)

    start = (2, 0, 2, 0, 0)
    fit = least_squares(lambda p: inner(moved(p)) - blurred.ravel(), start, slopes, xtol=1e-3, ftol=1e-4, max_nfev=40)
    a, b, c, *shift = fit.x
    factor = np.array([[a, 0], [b, c]])
    return NEAREST * factor @ factor.T, np.array(shift)


def edge_blur(luma: Floats) -> Iterator[Floats]:
    """The matrix of each patch of a photograph (h, w), in codes, that has edges of four orientations, from their median widths.

    A straight uniform blur of length L at angle t widens an edge with normal n to w(n)^2 = w0^2 + L^2 cos^2(t - n).
    """
    y, x, orientation, width = edge_widths(luma)
    for top in range(0, luma.shape[0] - WIDE_PATCH + 1, WIDE_PATCH):
        for left in range(0, luma.shape[1] - WIDE_PATCH + 1, WIDE_PATCH):
            here = (y >= top) & (y < top + WIDE_PATCH) & (x >= left) & (x < left + WIDE_PATCH)
            widths = [width[here & (orientation == number)] for number in range(4)]
            if min(map(len, widths)) >= EDGES:
                across, falling, down, rising = (float(np.median(values)) ** 2 for values in widths)
                mean, skew = (across + falling + down + rising) / 4, (falling - rising) / 2
                yield np.array([[mean + (across - down) / 2, skew], [skew, mean - (across - down) / 2]])


def edge_widths(luma: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], Floats]:
    """(y, x, orientation, width) of each edge: of its normal in units of 45 degrees from x towards y, and in pixels.

    An edge is what lies between the extremes on either side, along its normal (Marziliano et al., ICIP 2002). Its width is its
    rise over its steepest slope, so that long tails do not count: L for a uniform blur of length L.
    """
    smooth = gaussian_filter(luma, 1)
    slope_y, slope_x = np.gradient(smooth)
    normal = np.rint(4 / np.pi * np.arctan2(slope_y, slope_x)).astype(int).ravel() % 4
    places = np.arange(luma.size, dtype=float).reshape(luma.shape)
    found = []
    for orientation, lines in enumerate((np.asarray, lambda a: skewed(a[:, ::-1]), np.transpose, skewed)):
        steps, at = np.nan_to_num(np.diff(lines(smooth), append=np.nan)).ravel(), lines(places).ravel()
        starts = np.flatnonzero(np.diff(np.sign(steps), prepend=2))
        size = np.abs(steps)
        rise, steepest = np.add.reduceat(size, starts), np.maximum.reduceat(size, starts)
        run = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(steps)))
        peaks = np.flatnonzero((size == steepest[run]) & (rise[run] >= RISE))
        _, first = np.unique(run[peaks], return_index=True)
        peaks = peaks[first]
        place = at[peaks].astype(int)
        across = normal[place] == orientation
        width = (rise / np.maximum(steepest, 1e-9))[run[peaks]] * (np.sqrt(2) if orientation % 2 else 1)
        found.append((place[across], np.full(across.sum(), orientation), width[across]))
    place, number, width = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return place // luma.shape[1], place % luma.shape[1], number, width


def skewed(image: Floats) -> Floats:
    """The diagonals of an image from upper right to lower left, a row each, NaN beyond their ends."""
    height, width = image.shape
    lines = np.full((height + width - 1, height), np.nan)
    y, x = np.indices(image.shape)
    lines[x + y, y] = image
    return lines


def luma(pixels: NDArray[np.uint8]) -> Floats:
    """The Rec. 601 luma of RGB codes (h, w, 3)."""
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float64)


def stacked(matrices: Iterable[Floats]) -> Floats:
    """Matrices (n, 2, 2), n possibly 0."""
    return np.array(list(matrices)).reshape(-1, 2, 2)


def sides(matrices: Floats) -> Floats:
    """(width, length) in pixels of each matrix, (n, 2)."""
    return np.sqrt(np.maximum(np.linalg.eigvalsh(matrices), 0))


def lengths(frames: list[Floats]) -> Floats:
    """The length of the blur at each patch, in pixels."""
    return np.concatenate([sides(matrices)[:, 1] for matrices in frames])


def slenderness(frames: list[Floats]) -> Floats:
    """Width over length at each patch: 0 is straight, 1 the same in all directions."""
    found = np.concatenate([sides(matrices) for matrices in frames])
    return np.divide(*found[found[:, 1] >= LEAST_LENGTH].T)


def variation(frames: list[Floats]) -> Floats:
    """How much the length varies over a frame: the standard deviation of its natural logarithm."""
    return np.array([np.log(sides(matrices)[:, 1]).std() for matrices in telling(frames)])


def disagreement(frames: list[Floats]) -> Floats:
    """How much the direction varies over a frame: 0 is one direction, 1 all alike, as in the variance of doubled angles."""
    axes = [matrices[:, 0, 0] - matrices[:, 1, 1] + 2j * matrices[:, 0, 1] for matrices in telling(frames)]
    return np.array([1 - abs(axis.sum()) / np.abs(axis).sum() for axis in axes])


def telling(frames: list[Floats]) -> list[Floats]:
    """Frames with enough patches, and blur that has a shape."""
    return [each for each in frames if len(each) >= LEAST_PATCHES and np.median(sides(each)[:, 1]) >= LEAST_LENGTH]


MEASURES: dict[str, Callable[[list[Floats]], Floats]] = {
    "length [px]": lengths,
    "width / length": slenderness,
    "variation of length over a frame": variation,
    "variation of direction over a frame": disagreement,
}
