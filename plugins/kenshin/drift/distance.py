"""Cosine distances, and the reasons for which a vector allows none.

Sums are taken in float64 over rows scaled by their largest element, so that neither float32 vectors lose digits nor
extreme ones overflow. An invalid vector has a status, never a distance of 1.0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from kenshin.drift.embedder import Vector
from kenshin.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

InvalidKind = Literal["missing_text", "missing_vector", "dimension", "nan", "zero"]
Status = Literal["ok", "missing_text", "missing_vector", "dimension", "nan", "zero", "embed_error"]
"""`embed_error` says that there is no fresh vector; the stored document may well be sound."""

INVALID_KINDS: tuple[InvalidKind, ...] = get_args(InvalidKind)
"""The document's own defects, in the order in which they are looked for."""


def cosine_distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Cosine distance of one pair: 0 the same direction, 1 orthogonal, 2 opposite.

    Raises:
        InvalidInput: the lengths differ, or a vector is empty, zero or not finite.
    """
    if len(a) != len(b):
        raise InvalidInput(
            value=f"{len(a)} and {len(b)} dimensions",
            reason="vectors of different length cannot be compared",
            mend="Embed both with the same model; `status_of` tells such documents apart.",
        )
    return float(cosine_distances([a], [b])[0])


def cosine_distances(stored: Any, fresh: Any) -> NDArray[np.float64]:
    """Cosine distances of pairs of rows.

    Args:
        stored: shape (n, d), numbers.
        fresh: shape (n, d), numbers.

    Returns:
        Shape (n,), float64, from 0 to 2.

    Raises:
        InvalidInput: the shapes differ, or a row is zero or not finite.
    """
    import numpy as np

    left, right = _matrix(stored), _matrix(fresh)
    if left.shape != right.shape:
        raise InvalidInput(
            value=f"shapes {left.shape} and {right.shape}",
            reason="pairs need as many rows and dimensions on both sides",
            mend="Leave out documents of another dimension; `status_of` tells them apart.",
        )
    left, right = _scaled(left), _scaled(right)
    dots = np.einsum("ij,ij->i", left, right)
    lengths = np.sqrt(np.einsum("ij,ij->i", left, left) * np.einsum("ij,ij->i", right, right))
    return np.asarray(np.clip(1.0 - dots / lengths, 0.0, 2.0), dtype=np.float64)


def status_of(text: str | None, vector: Vector | None, *, dimensions: int | None) -> Status:
    """Whether a stored document can be compared, and if not, why.

    Args:
        text: blank counts as missing.
        vector: the stored one; infinite elements and elements that are no numbers count as `nan`.
        dimensions: of the embedding model; None asks for none.
    """
    if text is None or not text.strip():
        return "missing_text"
    if vector is None or len(vector) == 0:
        return "missing_vector"
    if dimensions is not None and len(vector) != dimensions:
        return "dimension"
    length = norm(vector)
    if length is None:
        return "nan"
    return "zero" if length == 0 else "ok"


def norm(vector: Vector) -> float | None:
    """Euclidean length; None where an element is infinite or no number."""
    import numpy as np

    try:
        row = np.asarray(vector, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if row.ndim != 1 or not np.isfinite(row).all():
        return None
    largest = float(np.abs(row).max(initial=0.0))
    if largest == 0:
        return 0.0
    scaled = row / largest
    return largest * math.sqrt(float(scaled @ scaled))


def ranked(ordered: Sequence[float], percent: int) -> float:
    """The sorted element at ⌊percent/100 · n⌋, as the proof of concept takes it.

    In whole numbers, because 0.95 · n in binary floats may fall just below the integer it should be. For 95 it is
    numpy's method ``higher``.
    """
    return float(ordered[min(len(ordered) * percent // 100, len(ordered) - 1)])


def _matrix(rows: Any) -> NDArray[np.float64]:
    import numpy as np

    try:
        matrix = np.asarray(rows, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            value=type(rows).__name__,
            reason=f"not a matrix of numbers ({error})",
            mend="Give n rows of d numbers; leave out documents of another dimension.",
        ) from error
    if matrix.ndim != 2:
        raise InvalidInput(
            value=f"shape {matrix.shape}", reason="not of shape (n, d)", mend="Give n rows of d numbers."
        )
    return matrix


def _scaled(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    largest = np.abs(matrix).max(axis=1, initial=0.0)
    bad = np.flatnonzero(~(np.isfinite(largest) & (largest > 0)))
    if bad.size:
        raise InvalidInput(
            value=f"row {int(bad[0])}",
            reason="a zero vector or one that is not finite has no direction",
            mend="Leave it out; `status_of` tells such documents apart.",
        )
    return np.asarray(matrix / largest[:, None], dtype=np.float64)
