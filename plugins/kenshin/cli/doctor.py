"""``kenshin doctor``: which backend each URL resolves to, and whether it answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import typer
from rich.markup import escape

from kenshin.cli.airflow_api import AirflowApi
from kenshin.cli.output import AsJson, console, show_json
from kenshin.current import current
from kenshin.errors import KenshinError, NotFound
from kenshin.runtime import Runtime

MARKS = {"yes": "[green]✓[/]", "empty": "[yellow]○[/]", "not running": "[yellow]○[/]", "no": "[bold red]✗[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One port: its URL, the backend behind it, and how it answered."""

    port: str
    url: str
    backend: str
    answers: str
    milliseconds: float
    detail: str


def doctor(as_json: AsJson = False) -> None:
    """Check every configured URL: which backend serves it, and does it answer?

    Ends with exit code 1 if one does not. Airflow is asked too, but need not run.
    """
    findings = list(_examine(current()))
    if as_json:
        show_json([asdict(each) for each in findings])
    else:
        for each in findings:
            _show(each)
    if any(each.answers == "no" for each in findings):
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    mark = MARKS[finding.answers]
    console.print(f"{mark} [bold]{finding.port:13}[/]{escape(finding.url)}", soft_wrap=True)
    console.print(f"  {'':13}{finding.backend}, {finding.milliseconds:.0f} ms", soft_wrap=True)
    console.print(f"  {'':13}{escape(finding.detail)}", soft_wrap=True)


def _examine(runtime: Runtime) -> Iterator[Finding]:
    settings = runtime.settings
    yield _ask("experiments", settings.experiments.raw, lambda: _experiments(runtime))
    yield _ask("ledger", settings.experiments.raw, lambda: (runtime.ledger, _read_ledger(runtime)))
    yield _ask(
        "observations", settings.observations.raw, lambda: (runtime.observations, _read_observations(runtime))
    )
    yield _ask("index", settings.index.raw, lambda: _index(runtime))
    yield _ask("embedder", settings.embedder.raw, lambda: _embedder(runtime))
    yield _ask("lake", settings.lake.raw, lambda: (runtime.lake, _read_lake(runtime)))
    for position, url in enumerate(settings.signals):
        yield _ask("signals", url.raw, lambda position=position: (runtime.recorder.sinks[position], "opens"))  # type: ignore[misc]
    yield _airflow(runtime)


def _ask(port: str, url: str, question: Callable[[], tuple[object, str]]) -> Finding:
    start = time.perf_counter()
    try:
        backend, detail = question()
        name, answers = f"{type(backend).__module__}.{type(backend).__name__}", "yes"
    except NotFound as error:
        name, answers, detail = "–", "empty", f"{error.reason}. {error.mend}"
    except KenshinError as error:
        name, answers, detail = "–", "no", f"{error.reason}. {error.mend}"
    except Exception as error:
        name, answers, detail = "–", "no", f"{type(error).__name__}: {error}"
    return Finding(port, url, name, answers, round((time.perf_counter() - start) * 1000, 1), detail)


def _experiments(runtime: Runtime) -> tuple[object, str]:
    store = runtime.experiments
    count = len(store.list())
    return store, f"{count} experiment{'' if count == 1 else 's'}"


def _read_ledger(runtime: Runtime) -> str:
    runtime.ledger.read("doctor")
    return "reads"


def _read_observations(runtime: Runtime) -> str:
    runtime.observations.read("doctor", runtime.clock().date(), 0)
    return "reads"


def _index(runtime: Runtime) -> tuple[object, str]:
    index = runtime.index()
    info = index.describe()
    return index, f"{info.name}: {info.count} documents, {info.dimensions} dimensions"


def _embedder(runtime: Runtime) -> tuple[object, str]:
    embedder = runtime.embedder
    (answer,) = embedder.embed(["regular health check-up"], kind="passage", deadline=30.0)
    if answer.error is not None:
        raise RuntimeError(answer.error)
    return embedder, str(embedder.fingerprint)


def _read_lake(runtime: Runtime) -> str:
    return "reads" if next(iter(runtime.lake.list("reports/")), None) is None else "holds reports"


def _airflow(runtime: Runtime) -> Finding:
    settings = runtime.settings
    found = _ask("airflow", settings.airflow_url, lambda: _ask_airflow(runtime))
    if found.answers != "no":
        return found
    return Finding(
        found.port, found.url, "–", "not running", found.milliseconds, "Only needed for DAGs and backfills."
    )


def _ask_airflow(runtime: Runtime) -> tuple[object, str]:
    settings = runtime.settings
    api = AirflowApi(settings.airflow_url, settings.airflow_user, settings.airflow_password)
    return api, ", ".join(f"{name} {status}" for name, status in api.health().items())
