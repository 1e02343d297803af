"""Publishing: content-addressed parts, then one atomic write of the manifest that names them.

A partition of a dataset is what its ``_manifest.json`` names; readers open manifests and never list files. A part's
key is made of its own hash, so writing it twice writes the same object, and a killed writer leaves at most parts that
no manifest names (`sweep` removes them after seven days). The manifest goes out under If-Match or If-None-Match, so of
two writers one wins, and equal content counts as done.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from kenshin import names
from kenshin.errors import Conflict, InvalidInput, NotFound
from kenshin.lake import Lake

MANIFEST = "_manifest.json"
ORPHAN_AGE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Part:
    """One object of a partition: its key, the SHA-256 of its content, its size in bytes."""

    key: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a partition consists of.

    Args:
        partition: e.g. ``observations/experiment=star/day=2026-11-05/shard=03``.
        schema: name and version of the parts' format, e.g. ``observations/1``.
        parts: its objects, in order.
        inputs: manifests or objects it was made from, key to etag.
        code_version: of Kenshin that made it.
    """

    partition: str
    schema: str
    parts: tuple[Part, ...]
    inputs: Mapping[str, str]
    code_version: str

    @property
    def etag(self) -> str:
        """Hash of the content; it tells whether a partition is still what it was."""
        return sha256(_encoded(self)).hexdigest()


def partition(dataset: str, **keys: str) -> str:
    """The prefix of a partition: ``dataset/name=value/…`` in the order given; raises InvalidName."""
    return "/".join(
        [
            dataset,
            *(f"{name}={names.checked(value, what=f'a {name}')}" for name, value in keys.items()),
        ]
    )


def publish(
    lake: Lake,
    partition: str,
    parts: Sequence[tuple[str, Path | bytes]],
    *,
    schema: str,
    inputs: Mapping[str, str] | None = None,
    existing: Literal["replace", "keep"] = "replace",
) -> Manifest:
    """Write a partition's parts, then its manifest.

    Args:
        lake: where to.
        partition: prefix, see `partition`.
        parts: pairs of file ending (``parquet``, ``json``) and content.
        schema: name and version of the format.
        inputs: what it was made from, key to etag.
        existing: what happens to a partition that is there with other content: replaced, or kept and answered.

    Raises:
        Conflict: somebody else published other content at the same time.
    """
    key = f"{partition}/{MANIFEST}"
    # The lake's own etag need not be a hash of the content; taken first, it is never newer than `before`.
    there = next((ref.etag for ref in lake.list(key) if ref.key == key), "absent")
    before = read_manifest(lake, partition)
    if before is not None and existing == "keep":
        return before
    written = tuple(_put_part(lake, partition, ending, body) for ending, body in parts)
    manifest = Manifest(partition, schema, written, dict(sorted((inputs or {}).items())), code_version())
    if before is not None and before.etag == manifest.etag:
        return before
    try:
        lake.put(key, _encoded(manifest), expect=there)
    except Conflict:
        now = read_manifest(lake, partition)
        if now is None or (now.etag != manifest.etag and existing == "replace"):
            raise
        return now
    return manifest


def read_manifest(lake: Lake, partition: str) -> Manifest | None:
    """The manifest of a partition, or None where nothing is published."""
    try:
        with lake.local(f"{partition}/{MANIFEST}") as path:
            raw = json.loads(path.read_bytes())
    except NotFound:
        return None
    return Manifest(
        partition=raw["partition"],
        schema=raw["schema"],
        parts=tuple(Part(**part) for part in raw["parts"]),
        inputs=raw["inputs"],
        code_version=raw["code_version"],
    )


def manifests(lake: Lake, prefix: str) -> Iterator[Manifest]:
    """Every published partition under a prefix, in order of key."""
    for ref in lake.list(prefix):
        if ref.key.endswith(f"/{MANIFEST}"):
            found = read_manifest(lake, ref.key.removesuffix(f"/{MANIFEST}"))
            if found is not None:
                yield found


def made_of(manifest: Manifest, inputs: Mapping[str, str], schema: str) -> bool:
    """Whether a partition was made of just these inputs, in this format, by this version of Kenshin."""
    return (dict(manifest.inputs), manifest.schema, manifest.code_version) == (
        dict(inputs),
        schema,
        code_version(),
    )


@contextmanager
def local_parts(lake: Lake, manifests: Sequence[Manifest]) -> Iterator[list[Path]]:
    """Local files of all parts, in order, while the context lasts."""
    with ExitStack() as stack:
        yield [stack.enter_context(lake.local(part.key)) for manifest in manifests for part in manifest.parts]


def read_json(lake: Lake, partition: str) -> dict[str, object]:
    """The JSON part of a partition; raises NotFound."""
    manifest = read_manifest(lake, partition)
    if manifest is None:
        raise NotFound(
            value=partition, reason="nothing is published there", mend="Run the day that publishes it."
        )
    (part,) = (part for part in manifest.parts if part.key.endswith(".json"))
    with lake.local(part.key) as path:
        body = json.loads(path.read_bytes())
    if not isinstance(body, dict):
        raise InvalidInput(value=partition, reason="its part is no JSON object", mend="Publish it again.")
    return body


def as_json(body: Mapping[str, object]) -> bytes:
    """JSON of a fixed form: the same content gives the same bytes."""
    return (json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sweep(lake: Lake, prefix: str, *, now: datetime) -> list[str]:
    """Delete parts that no manifest names and that are older than seven days; answers their keys."""
    refs = list(lake.list(prefix))
    named = {part.key for manifest in manifests(lake, prefix) for part in manifest.parts}
    orphans = [
        ref.key
        for ref in refs
        if ref.key not in named and not ref.key.endswith(f"/{MANIFEST}") and now - ref.modified > ORPHAN_AGE
    ]
    lake.delete(orphans)
    return orphans


def code_version() -> str:
    """The version of Kenshin that is running."""
    try:
        return version("kenshin")
    except PackageNotFoundError:
        return "uninstalled"


def _put_part(lake: Lake, partition: str, ending: str, body: Path | bytes) -> Part:
    content = body.read_bytes() if isinstance(body, Path) else body
    digest = sha256(content).hexdigest()
    key = f"{partition}/{digest[:16]}.{ending}"
    lake.put(key, content)
    return Part(key, digest, len(content))


def _encoded(manifest: Manifest) -> bytes:
    return (json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n").encode()
