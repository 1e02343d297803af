"""The cluster in docker-compose.yml, checked without a container engine: schema, secrets, privileges, commands."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet

pytestmark = pytest.mark.compose

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "docker" / "Dockerfile"
BIN = Path(sys.executable).parent

COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
AIRFLOW = sorted(name for name in SERVICES if name.startswith("airflow-"))
ONE_SHOT = {"airflow-init"}
LONG_RUNNING = sorted(set(SERVICES) - ONE_SHOT)

VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?P<how>:\?|:-)?(?P<rest>[^}]*)\}")
SECRET_NAME = re.compile(r"PASSWORD|SECRET|KEY|TOKEN", re.IGNORECASE)
PINNED = re.compile(r"^[\w./-]+:\d+(\.\d+)+(-[\w.-]+)?$")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docker" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SECRETS: dict[str, str] = load("make_secrets").generate()


def variables(text: str) -> list[tuple[str, str]]:
    return [(found["name"], found["how"] or "") for found in VARIABLE.finditer(text)]


def filled_in(value: str) -> str:
    """A value as Compose hands it on, with the generated secrets."""
    return VARIABLE.sub(
        lambda found: SECRETS[found["name"]] if found["how"] == ":?" else found["rest"], value
    ).replace("$$", "$")


def environment(service: str) -> dict[str, str]:
    return {name: filled_in(str(value)) for name, value in SERVICES[service].get("environment", {}).items()}


def arguments(parts: list[str]) -> list[list[str]]:
    """Every call of airflow in a command, be it direct or inside a shell script."""
    if parts[0] == "airflow":
        return [parts[1:]]
    return [shlex.split(line)[1:] for line in parts[-1].splitlines() if line.startswith("airflow ")]


def calls(service: str) -> list[list[str]]:
    checks = SERVICES[service].get("healthcheck", {}).get("test", ["NONE"])[1:]
    return arguments(SERVICES[service]["command"]) + (arguments(checks) if checks else [])


CALLS = [pytest.param(name, call, id=f"{name}: {' '.join(call)}") for name in AIRFLOW for call in calls(name)]


def run(arguments: list[str], service: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment as the service would see its configuration."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "KENSHIN"))
    }
    of_service = {
        name: value for name, value in environment(service).items() if not name.startswith("KENSHIN")
    }
    env = inherited | of_service | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "false"}
    return subprocess.run(arguments, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("airflow")


def test_the_file_is_valid_against_the_schema_of_compose() -> None:
    done = subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE_FILE],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_cluster_has_every_component_of_airflow() -> None:
    assert set(SERVICES) == {
        "postgres",
        "redis",
        "airflow-init",
        "airflow-api-server",
        "airflow-scheduler",
        "airflow-dag-processor",
        "airflow-triggerer",
        "airflow-worker",
    }


def test_every_secret_is_required_and_generated() -> None:
    used = variables(COMPOSE_FILE.read_text(encoding="utf-8"))
    for name, how in used:
        if SECRET_NAME.search(name):
            assert how == ":?", f"{name} must be ${{{name}:?…}}, so that an empty one stops the start"
        else:
            assert how == ":-", f"{name} needs a default"
    assert {name for name, how in used if how == ":?"} == set(SECRETS)


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_no_secret_stands_in_the_file(service: str) -> None:
    for name, value in SERVICES[service].get("environment", {}).items():
        if SECRET_NAME.search(name) and not name.endswith("_FILE"):
            assert VARIABLE.fullmatch(str(value)), f"{service}: {name} holds a literal"
    for address in re.findall(r"\w+://[^\s@/]*:([^\s@]*)@", json.dumps(SERVICES[service])):
        assert VARIABLE.fullmatch(address), f"{service}: a URL holds a literal password"


def test_generated_secrets_are_strong_and_of_the_right_form() -> None:
    Fernet(SECRETS["AIRFLOW_FERNET_KEY"])
    assert len(SECRETS["AIRFLOW_JWT_SECRET"].encode()) >= 64
    assert all(len(value) >= 24 for value in SECRETS.values())
    assert len(set(SECRETS.values())) == len(SECRETS)
    again = load("make_secrets").generate()
    assert not set(again.values()) & set(SECRETS.values())


def test_make_secrets_writes_a_private_file_once(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    command = [sys.executable, ROOT / "docker" / "make_secrets.py", "--file", path]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    first = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(re.findall(r"^(\w+)=\S+$", first, re.MULTILINE)) == set(SECRETS)

    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert "FORCE=1" in refused.stderr
    assert path.read_text() == first

    assert subprocess.run([*command, "--force"], capture_output=True, timeout=60, check=False).returncode == 0
    assert path.read_text() != first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_admin_password_reaches_airflows_own_file(tmp_path: Path) -> None:
    path = tmp_path / "passwords.json"
    path.write_text('{"vera": "hers"}')
    name = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
    write = load("write_passwords").write
    write({name: str(path), "AIRFLOW_ADMIN_PASSWORD": "his"})
    assert json.loads(path.read_text()) == {"vera": "hers", "admin": "his"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(SystemExit, match="AIRFLOW_ADMIN_PASSWORD"):
        write({name: str(path), "AIRFLOW_ADMIN_PASSWORD": ""})


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_images_are_pinned_to_an_exact_version(service: str) -> None:
    assert PINNED.match(SERVICES[service]["image"])


def test_the_image_is_built_on_a_pinned_base_from_the_hashed_lock() -> None:
    lines = DOCKERFILE.read_text(encoding="utf-8")
    bases = re.findall(r"^FROM (\S+)", lines, re.MULTILINE)
    assert bases
    assert all(PINNED.match(base) for base in bases)
    assert len(set(bases)) == 1
    assert "--require-hashes -r requirements.txt" in lines
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert {SERVICES[name]["image"] for name in AIRFLOW} == {f"kenshin-airflow:{version}"}


def test_the_image_has_the_driver_without_which_airflow_cannot_be_imported_on_postgresql() -> None:
    assert re.search(r"^asyncpg==", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_build_sees_no_more_than_it_copies() -> None:
    ignore = (ROOT / "docker" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignore[0] == "*"
    shown = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert copied
    assert {name.rstrip("/") for line in copied for name in line.split()} == shown


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_nothing_runs_as_root_or_gains_privileges(service: str) -> None:
    user = str(SERVICES[service]["user"]).partition(":")[0]
    assert user not in {"", "0", "root"}
    assert "no-new-privileges:true" in SERVICES[service]["security_opt"]
    assert not SERVICES[service].get("privileged")


def test_the_image_itself_does_not_default_to_root() -> None:
    users = re.findall(r"^USER (\S+)", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert users[-1] == SERVICES["airflow-worker"]["user"]


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_every_lasting_service_has_a_health_check(service: str) -> None:
    check = SERVICES[service]["healthcheck"]
    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    assert {"interval", "timeout", "retries"} <= set(check)


@pytest.mark.parametrize("service", sorted(set(AIRFLOW) - ONE_SHOT))
def test_airflow_waits_for_what_it_needs(service: str) -> None:
    conditions = {name: need["condition"] for name, need in SERVICES[service]["depends_on"].items()}
    assert conditions == {
        "postgres": "service_healthy",
        "redis": "service_healthy",
        "airflow-init": "service_completed_successfully",
    }


def test_ports_are_published_on_this_machine_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"airflow-api-server"}
    assert all(str(port).startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_workers_can_be_multiplied() -> None:
    worker = SERVICES["airflow-worker"]
    assert not {"container_name", "hostname", "ports"} & set(worker)


def test_all_components_share_one_configuration() -> None:
    shared = environment("airflow-scheduler")
    for name in AIRFLOW:
        found = environment(name)
        assert {key: found.get(key) for key in shared} == shared, name
        assert set(found) - set(shared) <= {"AIRFLOW_ADMIN_PASSWORD"}
    assert shared["AIRFLOW__CORE__FERNET_KEY"] == SECRETS["AIRFLOW_FERNET_KEY"]
    assert shared["AIRFLOW__API_AUTH__JWT_SECRET"] == SECRETS["AIRFLOW_JWT_SECRET"]
    assert shared["AIRFLOW__CELERY__RESULT_BACKEND"].startswith("db+postgresql+psycopg2://")
    assert shared["AIRFLOW__CORE__DEFAULT_TIMEZONE"] == "Asia/Tokyo"
    assert shared["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://airflow-api-server:8080/execution/"


@pytest.mark.parametrize("service", AIRFLOW)
def test_components_share_kenshins_home(service: str) -> None:
    assert f"kenshin-home:{environment(service)['KENSHIN_HOME']}" in SERVICES[service]["volumes"]


def test_every_option_of_airflow_is_one_that_airflow_knows(airflow_home: Path) -> None:
    names = [name for name in environment("airflow-scheduler") if name.startswith("AIRFLOW__")]
    names += re.findall(r"AIRFLOW__\w+", DOCKERFILE.read_text(encoding="utf-8"))
    script = (
        "import sys\n"
        "from airflow.configuration import conf\n"
        "from airflow.providers_manager import ProvidersManager\n"
        "ProvidersManager().initialize_providers_configuration()\n"
        "known = {(s, o) for s, d in conf.configuration_description.items() for o in d['options']}\n"
        "names = [tuple(name.lower().split('__')[1:]) for name in sys.argv[1:]]\n"
        "print(*[name for name in names if name not in known])\n"
    )
    done = run([sys.executable, "-c", script, *names], "airflow-scheduler", airflow_home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1:] in ([], [""]), done.stdout


def test_every_component_calls_airflow() -> None:
    assert {name for name in AIRFLOW if calls(name)} == set(AIRFLOW)


@pytest.mark.parametrize(("service", "call"), CALLS)
def test_a_command_is_one_that_airflow_has(service: str, call: list[str], airflow_home: Path) -> None:
    words = []
    for word in call:
        if word.startswith("-"):
            break
        words.append(word)
    helped = run([str(BIN / "airflow"), *words, "--help"], service, airflow_home)
    assert helped.returncode == 0, helped.stderr
    assert words[-1] in helped.stdout

    parse = "import sys; from airflow.cli.cli_parser import get_parser; get_parser().parse_args(sys.argv[1:])"
    parsed = run([sys.executable, "-c", parse, *call], service, airflow_home)
    assert parsed.returncode == 0, parsed.stderr


def test_the_workers_health_check_finds_the_celery_application(airflow_home: Path) -> None:
    shell = filled_in(SERVICES["airflow-worker"]["healthcheck"]["test"][1])
    words = shlex.split(shell)
    assert words[:2] == ["celery", "--app"]
    done = run([str(BIN / words[0]), *words[1:4], "--list"], "airflow-worker", airflow_home)
    assert done.returncode == 0, done.stderr
    assert "ping" in done.stdout
