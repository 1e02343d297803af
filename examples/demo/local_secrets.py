"""Passwords and keys of the local Airflow: made once, kept in files that only their owner may read."""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path


def kept_secrets(folder: Path) -> dict[str, str]:
    """The secrets of a folder, made where it has none."""
    path = folder / "secrets.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = {
        "admin_password": secrets.token_urlsafe(12),
        "viewer_password": secrets.token_urlsafe(12),
        "api_secret_key": secrets.token_urlsafe(32),
        "jwt_secret": secrets.token_urlsafe(72),
        "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    write_private(path, json.dumps(made))
    return made


def write_private(path: Path, text: str) -> None:
    """Write a file whole that only its owner may read."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
