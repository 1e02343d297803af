"""An embedder with a memory: only texts that nobody has embedded before cost anything."""

from __future__ import annotations

from collections.abc import Sequence

from kenshin.drift.embedder import Embedded, Embedder, EmbeddingCache, Fingerprint, Kind, text_hash


class CachedEmbedder:
    """An `Embedder` that asks a cache first, by fingerprint, kind and text hash.

    Args:
        embedder: makes the vectors that the cache does not have.
        cache: where they are kept; errors are not, so a failed text is tried again.
    """

    def __init__(self, embedder: Embedder, cache: EmbeddingCache) -> None:
        self.fingerprint: Fingerprint = embedder.fingerprint
        self.max_batch: int = embedder.max_batch
        self._embedder = embedder
        self._cache = cache

    def embed(self, texts: Sequence[str], *, kind: Kind, deadline: float) -> Sequence[Embedded]:
        """One answer per text, in order; a text that appears twice is embedded once. See `Embedder.embed`."""
        hashes = [text_hash(text) for text in texts]
        name = str(self.fingerprint)
        known = dict(self._cache.get(name, kind, list(dict.fromkeys(hashes))))
        missing = {digest: text for digest, text in zip(hashes, texts, strict=True) if digest not in known}
        if missing:
            answers = self._embedder.embed(list(missing.values()), kind=kind, deadline=deadline)
            made = dict(zip(missing, answers, strict=True))
            self._cache.put(name, kind, {key: each for key, each in made.items() if each.error is None})
            known.update(made)
        return [known[digest] for digest in hashes]
