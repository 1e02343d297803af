from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kenshin.backends import BACKENDS, open_port
from kenshin.current import current, use
from kenshin.errors import BackendUnavailable, UnknownScheme
from kenshin.runtime import Runtime
from kenshin.settings import Settings
from kenshin.signals.context import PromptMeasured
from kenshin.signals.records import BedrockHealthMetrics

PORTS = {
    "experiments": ("KENSHIN_EXPERIMENTS", lambda runtime: runtime.experiments),
    "ledger": ("KENSHIN_EXPERIMENTS", lambda runtime: runtime.ledger),
    "observations": ("KENSHIN_OBSERVATIONS", lambda runtime: runtime.observations),
    "index": ("KENSHIN_INDEX", lambda runtime: runtime.index()),
    "embedder": ("KENSHIN_EMBEDDER", lambda runtime: runtime.embedder),
    "lake": ("KENSHIN_LAKE", lambda runtime: runtime.lake),
    "signals": ("KENSHIN_SIGNALS", lambda runtime: runtime.recorder),
}


def runtime_of(tmp_path, **environment: str) -> Runtime:
    return Runtime(Settings.from_env({"KENSHIN_HOME": str(tmp_path), **environment}))


@pytest.mark.parametrize("port", PORTS)
def test_an_unknown_scheme_lists_the_known_ones(tmp_path, port):
    variable, opened = PORTS[port]
    with pytest.raises(UnknownScheme) as caught:
        opened(runtime_of(tmp_path, **{variable: "gopher://somewhere"}))
    assert caught.value.value == "gopher://somewhere"
    assert all(scheme in caught.value.mend for scheme in BACKENDS[port])


@pytest.mark.parametrize("port", PORTS)
def test_every_port_opens_on_its_embedded_default_and_is_kept(tmp_path, port):
    _, opened = PORTS[port]
    runtime = runtime_of(tmp_path)
    assert opened(runtime) is opened(runtime)
    runtime.close()


def test_a_port_that_is_slow_to_open_holds_up_no_other(tmp_path, monkeypatch):
    begun, gate = threading.Event(), threading.Event()

    def slow(port, url, opening):
        if port == "documents":
            begun.set()
            assert gate.wait(20)
        return open_port(port, url, opening)

    monkeypatch.setattr("kenshin.runtime.open_port", slow)
    runtime = runtime_of(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        documents = pool.submit(lambda: runtime.documents)
        try:
            assert begun.wait(20)
            recorder = pool.submit(lambda: runtime.recorder)
            assert recorder.result(timeout=10) is runtime.recorder
        finally:
            gate.set()
        assert documents.result(timeout=10) is runtime.documents
    runtime.close()


def test_nothing_is_opened_before_it_is_asked_for(tmp_path):
    runtime_of(tmp_path, KENSHIN_LAKE="gopher://x", KENSHIN_INDEX="gopher://y")
    assert list(tmp_path.iterdir()) == []


def test_an_index_can_be_named_beside_the_configured_one(tmp_path):
    runtime = runtime_of(tmp_path)
    assert runtime.index("other") is not runtime.index()
    assert runtime.index_name == "mangaassist-products"


def test_a_backend_whose_library_is_missing_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kenshin.backends.local.index", None)
    monkeypatch.setitem(BACKENDS["index"], "sqlite", "library_that_nobody_has:open_index")
    with pytest.raises(BackendUnavailable, match="library_that_nobody_has"):
        runtime_of(tmp_path).index()


def test_use_puts_a_runtime_in_force_and_takes_it_back(tmp_path):
    outer, inner = runtime_of(tmp_path), runtime_of(tmp_path)
    with use(outer):
        with use(inner):
            assert current() is inner
        assert current() is outer


def test_a_forked_child_makes_a_runtime_of_its_own(tmp_path):
    script = (
        "import os\n"
        "from kenshin.current import current\n"
        "parent = current()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    os._exit(0 if current() is not parent else 1)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    environment = {**os.environ, "KENSHIN_HOME": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", script], env=environment).returncode == 0


def test_reading_the_calibration_makes_no_registry(tmp_path):
    runtime = runtime_of(tmp_path)
    assert runtime.weights_loader.refresh()
    assert list(tmp_path.iterdir()) == []
    runtime.close()


def test_breakers_are_kept_under_the_registrys_overrides_and_make_no_registry(tmp_path):
    runtime = runtime_of(tmp_path)
    breaker = runtime.breakers.of("m", "tokyo")
    assert runtime.breakers.refresh()
    assert list(tmp_path.iterdir()) == []
    runtime.documents.put("breakers", {"overrides": [{"model": "m", "mode": "open"}]}, expected=None)
    assert runtime.breakers.refresh()
    assert runtime.breakers.of("m", "tokyo") is breaker
    assert breaker.overridden == "open"
    runtime.close()


def test_every_listener_of_calls_hears_what_the_wrapper_tells(tmp_path):
    runtime = runtime_of(tmp_path, KENSHIN_SIGNALS="memory:", KENSHIN_SIGNALS_MODE="sync")
    call = BedrockHealthMetrics("claude-3-5-sonnet", "", 9.0, "success", input_tokens=120)
    for listener in runtime.call_listeners:
        listener(call, PromptMeasured("claude-3-5-sonnet", 100, 110, "latin"))
    (record,) = runtime.recorder.sinks[0].records
    assert (record.actual_tokens, runtime.token_calibration.correction(record.model, "latin").calls) == (
        120,
        1,
    )
    runtime.close()
