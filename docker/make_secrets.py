"""Write .env: the passwords and keys that docker-compose.yml asks for. Standard library alone."""

from __future__ import annotations

import argparse
import base64
import os
import secrets
import sys
from pathlib import Path

ENV_FILE = Path(__file__).resolve().parent.parent / ".env"


def generate() -> dict[str, str]:
    """Fresh values; all are safe inside a URL, because two of the passwords become part of one."""
    return {
        "POSTGRES_PASSWORD": secrets.token_urlsafe(32),
        "REDIS_PASSWORD": secrets.token_urlsafe(32),
        "AIRFLOW_ADMIN_PASSWORD": secrets.token_urlsafe(18),
        "AIRFLOW_FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW_JWT_SECRET": secrets.token_urlsafe(64),
        "AIRFLOW_API_SECRET_KEY": secrets.token_urlsafe(32),
    }


def write(path: Path, *, force: bool) -> None:
    """Put the values into a file that its owner alone can read.

    Raises:
        FileExistsError: the file is there and `force` is not given.
    """
    body = "".join(f"{name}={value}\n" for name, value in generate().items())
    if force:
        path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(body)


def main() -> int:
    """The command behind `make secrets`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--file", type=Path, default=ENV_FILE, help="where to write (default: .env of the checkout)"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    options = parser.parse_args()
    try:
        write(options.file, force=options.force)
    except FileExistsError:
        print(
            f"{options.file.name} is there already and stays: new keys would lock you out of the database that was "
            "made with the old ones. To replace it: make secrets FORCE=1",
            file=sys.stderr,
        )
        return 1
    print(f"Wrote {options.file.name}; sign in as admin with AIRFLOW_ADMIN_PASSWORD from it.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
