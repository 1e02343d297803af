"""Write the passwords file of Airflow's simple auth manager from the environment. Standard library alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path


def write(environ: Mapping[str, str]) -> Path:
    """Give the user ``admin`` the password in AIRFLOW_ADMIN_PASSWORD; other users of the file keep theirs.

    Raises:
        SystemExit: a variable is missing.
    """
    try:
        path = Path(environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
        password = environ["AIRFLOW_ADMIN_PASSWORD"]
    except KeyError as error:
        raise SystemExit(f"{error.args[0]} is not set.") from error
    if not password:
        raise SystemExit("AIRFLOW_ADMIN_PASSWORD is empty.")
    passwords = json.loads(path.read_text() or "{}") if path.exists() else {}
    passwords["admin"] = password
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(json.dumps(passwords) + "\n")
    draft.replace(path)
    return path


if __name__ == "__main__":
    write(os.environ)
