"""Texts of every kind, from the files of installed packages, the same on every machine.

Real texts come from packages of fixed versions (requirements.txt); log lines, tables and opaque identifiers, of
which no package is full, are made by a seeded recipe. A document is a run of one source's segments, of 150 to 6,000
characters.
"""

from __future__ import annotations

import base64
import csv
import gettext
import io
import json
import random
import re
import sysconfig
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

DOCUMENTS = 130
"""Of each kind."""

SHORTEST, LONGEST = 150, 6_000
STDLIB = Path(sysconfig.get_path("stdlib"))
_TAG = re.compile(r"<[^>]+>")


@dataclass(frozen=True, slots=True)
class Document:
    """One text: its kind, where it is from, and whether it is kept for tests."""

    kind: str
    source: str
    text: str
    held_back: bool


def documents(site: Path) -> Iterator[Document]:
    """All documents, kind by kind.

    Args:
        site: the folder into which the packages are installed.
    """
    sources = _Sources(site)
    for kind, named in sources.kinds().items():
        rng = random.Random(f"kenshin tokens {kind}")  # noqa: S311
        share = DOCUMENTS // len(named)
        for source, make in named.items():
            segments = [segment for segment in make() if segment.strip()]
            for text in _runs(segments, share, rng):
                digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
                yield Document(kind, source, text, held_back=digest[0] < 77)


def _runs(segments: list[str], wanted: int, rng: random.Random) -> Iterator[str]:
    """Runs of neighbouring segments, cut to lengths that are uniform in their logarithm."""
    for _ in range(wanted):
        length = int(SHORTEST * (LONGEST / SHORTEST) ** rng.random())
        at, parts, size = rng.randrange(len(segments)), [], 0
        while size < length:
            parts.append(segments[at % len(segments)])
            size += len(parts[-1]) + 1
            at += 1
        joined = "\n".join(parts)
        start = rng.randrange(max(1, len(parts[0]) - length)) if len(parts[0]) > length else 0
        yield joined[start : start + length]


class _Sources:
    """Where the segments of each kind are found."""

    def __init__(self, site: Path) -> None:
        self.site = site

    def kinds(self) -> dict[str, dict[str, Callable[[], Iterable[str]]]]:
        """The sources of each kind, by name."""
        return {
            "english": {
                "botocore": self._operations,
                "python": self._topics,
                "chatterbot-corpus": lambda: self._dialogues("english"),
            },
            "japanese": {
                "jupyterlab-ja": lambda: self._pack("ja", "JP"),
                "Django": lambda: self._po("django", "ja"),
                "Sphinx": lambda: self._po("sphinx", "ja"),
                "chatterbot-corpus": lambda: self._dialogues("japanese"),
            },
            "mixed": {"readmes": self._japanese_readmes, "turns": self._turns, "po": self._japanese_po},
            "code": {
                "python": lambda: self._files(STDLIB, "*.py", 60),
                "javascript": lambda: self._files(self.site / "django/contrib", "*.js", 40),
                "c": lambda: self._files(Path(sysconfig.get_path("include")), "*.h", 40),
                "css": lambda: self._files(self.site / "django/contrib", "*.css", 20),
            },
            "markup": {
                "html": lambda: self._files(self.site / "django/contrib/admin/templates", "*.html", 60),
                "markdown": lambda: self._readmes(),
                "botocore": self._marked_operations,
            },
            "json": {
                "compact": lambda: self._models(None),
                "pretty": lambda: self._models(2),
                "records": _records,
            },
            "logs": {"recipe": _log_lines},
            "escaped": {
                "japanese": lambda: self._escaped("ja", "JP"),
                "russian": lambda: self._escaped("ru", "RU"),
            },
            "table": {"recipe": _tables},
            "opaque": {"recipe": _opaque},
            "chinese": {
                "jupyterlab-zh": lambda: self._pack("zh", "CN"),
                "Django": lambda: self._po("django", "zh_Hans"),
                "chatterbot-corpus": lambda: self._dialogues("chinese"),
            },
            "korean": {
                "jupyterlab-ko": lambda: self._pack("ko", "KR"),
                "Django": lambda: self._po("django", "ko"),
            },
            "cyrillic": {
                "jupyterlab-ru": lambda: self._pack("ru", "RU"),
                "Django-uk": lambda: self._po("django", "uk"),
                "Django-bg": lambda: self._po("django", "bg"),
            },
            "european": {
                name: lambda name=name: self._po("django", name)  # type: ignore[misc]
                for name in ("fr", "de", "es", "pl", "tr", "vi", "fi", "cs")
            },
            "other": {
                name: lambda name=name: self._po("django", name)  # type: ignore[misc]
                for name in ("ar", "he", "hi", "th", "el", "ka", "ta", "te", "fa", "hy")
            },
            "multilingual": {"chatterbot-corpus": self._dialogues_of_all, "Sphinx": self._sphinx_of_all},
        }

    def _services(self) -> list[Path]:
        return sorted(self.site.glob("botocore/data/*/*/service-2.json.gz")) + sorted(
            self.site.glob("botocore/data/*/*/service-2.json")
        )

    def _model(self, path: Path) -> dict[str, object]:
        import gzip

        raw = path.read_bytes()
        loaded: dict[str, object] = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
        return loaded

    def _marked_operations(self) -> Iterator[str]:
        for path in self._services()[::12]:
            operations = self._model(path)["operations"]
            for each in operations.values():  # type: ignore[attr-defined]
                yield each.get("documentation", "")

    def _operations(self) -> Iterator[str]:
        for text in self._marked_operations():
            yield _TAG.sub("", text)

    def _models(self, indent: int | None) -> Iterator[str]:
        for path in self._services()[5::40]:
            shapes = self._model(path)["shapes"]
            separators = (",", ":") if indent is None else (",", ": ")
            yield json.dumps(shapes, indent=indent, separators=separators)[:200_000]

    def _topics(self) -> Iterator[str]:
        scope: dict[str, dict[str, str]] = {}
        exec((STDLIB / "pydoc_data/topics.py").read_text(encoding="utf-8"), scope)  # noqa: S102
        for topic in scope["topics"].values():
            yield from topic.split("\n\n")

    def _dialogues(self, language: str) -> Iterator[str]:
        for path in sorted((self.site / "chatterbot_corpus/data" / language).glob("*.yml")):
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.startswith(("- - ", "  - ")):
                    yield line[4:].strip("'\" ")

    def _dialogues_of_all(self) -> Iterator[str]:
        """Six lines of each language in turn."""
        languages = sorted(
            path.name for path in (self.site / "chatterbot_corpus/data").iterdir() if path.is_dir()
        )
        lines = [list(self._dialogues(language)) for language in languages]
        for at in range(0, 240, 6):
            for each in lines:
                yield "\n".join(each[at : at + 6])

    def _sphinx_of_all(self) -> Iterator[str]:
        """Four messages of each language in turn."""
        folders = sorted((self.site / "sphinx/locale").glob("*/LC_MESSAGES"))
        messages = [list(self._po("sphinx", folder.parent.name)) for folder in folders]
        for at in range(0, 160, 4):
            for each in messages:
                yield "\n".join(each[at : at + 4])

    def _pack(self, language: str, country: str) -> Iterator[str]:
        package = f"jupyterlab_language_pack_{language}_{country}"
        path = self.site / package / f"locale/{language}_{country}/LC_MESSAGES/jupyterlab.json"
        for key, values in json.loads(path.read_text(encoding="utf-8")).items():
            if key:
                yield from (value for value in values if len(value) > 12)

    def _po(self, package: str, language: str) -> Iterator[str]:
        folder = {"django": "django", "sphinx": "sphinx/locale"}[package]
        for path in sorted((self.site / folder).rglob(f"{language}/LC_MESSAGES/*.mo")):
            if "js" in path.stem:
                continue
            with path.open("rb") as file:
                catalog = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
            yield from (text for key, text in catalog.items() if key and len(text) > 8)

    def _japanese_po(self) -> Iterator[str]:
        path = self.site / "sphinx/locale/ja/LC_MESSAGES/sphinx.po"
        yield from path.read_text(encoding="utf-8").split("\n\n")

    def _readmes(self) -> Iterator[str]:
        for name in ("Django", "botocore", "sphinx", "chatterbot_corpus", "jupyterlab_language_pack_ja_jp"):
            yield from self._readme(name)

    def _japanese_readmes(self) -> Iterator[str]:
        for name in (
            "agents_docs_sync",
            "elaws_parser",
            "jaconv",
            "jp_business_calendar_mcp",
            "jp_invoice_tax_mcp",
            "jp_prompt",
        ):
            yield from self._readme(name)

    def _readme(self, name: str) -> Iterator[str]:
        (path,) = self.site.glob(f"{name}-*.dist-info/METADATA")
        yield from path.read_text(encoding="utf-8").split("\n\n")[1:]

    def _turns(self) -> Iterator[str]:
        """Turns of a chat in both languages, and passages with their English source."""
        for english, japanese in zip(self._operations(), self._pack("ja", "JP"), strict=False):
            yield f"user: {japanese}\nassistant: {english[:200]}"

    def _files(self, folder: Path, pattern: str, most: int) -> Iterator[str]:
        paths = [
            path
            for path in sorted(folder.rglob(pattern))
            if path.stat().st_size > 2_000 and ".min." not in path.name
        ]
        for path in paths[:: max(1, len(paths) // most)]:
            yield path.read_text(encoding="utf-8", errors="replace")

    def _escaped(self, language: str, country: str) -> Iterator[str]:
        for number, text in enumerate(self._pack(language, country)):
            yield json.dumps({"id": number, "role": "user", "content": text})


def _records() -> Iterator[str]:
    rng = random.Random("records")  # noqa: S311
    for number in range(2_000):
        yield json.dumps(
            {
                "session_id": str(uuid.UUID(int=rng.getrandbits(128))),
                "turn": number % 9,
                "latency_ms": round(rng.lognormvariate(6, 0.6), 2),
                "status": rng.choice(["success", "error", "throttled"]),
                "usage": {"inputTokens": rng.randrange(9000), "outputTokens": rng.randrange(900)},
                "tags": rng.sample(["checkout", "returns", "shipping", "refund", "gift", "preorder"], 3),
            }
        )


def _log_lines() -> Iterator[str]:
    rng = random.Random("logs")  # noqa: S311
    names = ["orders", "checkout", "search", "catalog.index", "auth.session", "payments.stripe", "inventory"]
    words = [
        "connection reset by peer",
        "cache miss",
        "retrying request",
        "rate limit exceeded",
        "request completed",
    ]
    for number in range(6_000):
        minute, second = rng.randrange(60), rng.randrange(60)
        clock = f"2026-{1 + number % 12:02}-{1 + number % 28:02}T{number % 24:02}:{minute:02}:{second:02}"
        address = ".".join(str(rng.randrange(256)) for _ in range(4))
        level, name = rng.choice(["INFO", "WARNING", "ERROR", "DEBUG"]), rng.choice(names)
        request = uuid.UUID(int=rng.getrandbits(128))
        yield [
            f"{clock}.{rng.randrange(1000):03}Z {level} [{name}] {rng.choice(words)} "
            f"id={request} elapsed={rng.randrange(9999)}ms",
            f'{address} - - [{clock}+0900] "GET /api/v2/{name}/{rng.randrange(99999)}'
            f'?page={rng.randrange(90)} HTTP/1.1" '
            f'{rng.choice([200, 200, 304, 404, 500])} {rng.randrange(99999)} "-" "Mozilla/5.0 (X11; Linux x86_64)"',
            f"REPORT RequestId: {request}\tDuration: {rng.random() * 900:.2f} ms\t"
            f"Billed Duration: {rng.randrange(900)} ms\t"
            f"Memory Size: 512 MB\tMax Memory Used: {rng.randrange(512)} MB",
            f'  File "/srv/app/{name.replace(".", "/")}.py", line {rng.randrange(900)}, '
            f"in handle_{rng.choice(names).split('.')[0]}\n"
            f"    raise RuntimeError('{rng.choice(words)}')",
            f"{clock} DEBUG [{name}] session={base64.urlsafe_b64encode(rng.randbytes(24)).decode()} "
            f"etag={rng.getrandbits(64):016x}",
            f"{clock} kernel: [{rng.random() * 99999:.6f}] eth0: {rng.choice(words)} (0x{rng.getrandbits(32):08x})",
        ][number % 6]


def _tables() -> Iterator[str]:
    rng = random.Random("tables")  # noqa: S311
    products = [
        "Fountain pen",
        "Notebook A5",
        "Sticker set",
        "Poster",
        "Art book",
        "Figure 1/7",
        "Keyring",
        "Tote bag",
    ]
    for number in range(900):
        rows = [
            (
                number * 10 + row,
                rng.choice(products),
                rng.randrange(1, 99),
                f"{rng.random() * 9000:.2f}",
                f"2026-{1 + row % 12:02}-{1 + row:02}",
            )
            for row in range(8)
        ]
        if number % 3 == 0:
            file = io.StringIO()
            csv.writer(file).writerows(rows)
            yield file.getvalue()
        elif number % 3 == 1:
            yield "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)
        else:
            yield "\n".join("\t".join(str(cell).rjust(9) for cell in row) for row in rows)


def _opaque() -> Iterator[str]:
    rng = random.Random("opaque")  # noqa: S311
    for number in range(1_500):
        raw = rng.randbytes(24 + rng.randrange(400))
        yield [
            base64.b64encode(raw).decode(),
            raw.hex(),
            " ".join(str(uuid.UUID(bytes=raw[at : at + 16])) for at in range(0, len(raw) - 16, 16)),
            f"https://example.com/{base64.urlsafe_b64encode(raw[:18]).decode()}?sig={raw[:20].hex()}",
        ][number % 4]
