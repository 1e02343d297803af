from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import pytest

from kenshin.budget.calibration import ENOUGH, Calibration, Correction
from kenshin.budget.loading import WeightsLoader
from kenshin.budget.weights import KEY, Weights
from kenshin.ports import Versioned

FITTED = {("m", "latin"): Correction(900, 0.2, 0.01), ("m", "japanese"): Correction(900, 0.3, 0.01)}


class Store:
    """Documents in memory that can fail or hang."""

    def __init__(self, corrections: Any = None) -> None:
        self.body = None if corrections is None else Weights(date(2026, 11, 14), corrections).as_document()
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Event()

    def get(self, key: str) -> Versioned[Mapping[str, object]] | None:
        assert key == KEY
        self.asked.set()
        self.gate.wait(20)
        if self.error:
            raise self.error
        return None if self.body is None else Versioned(self.body, 1)

    def put(self, key: str, body: Mapping[str, object], *, expected: int | None) -> int:
        raise AssertionError("a process never writes")


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_process_starts_from_the_registrys_weights() -> None:
    calibration = Calibration()
    loader = WeightsLoader(lambda: Store(FITTED), calibration, delay_s=0.0)
    loader.start()
    wait_for(lambda: calibration.correction("m", "latin").calls == 900)
    loader.close()
    assert calibration.corrections() == FITTED


def test_what_the_process_has_observed_itself_stays() -> None:
    calibration = Calibration()
    for _ in range(ENOUGH):
        own = calibration.observe("m", "latin", 1_000, {"inputTokens": 2_000})
    assert WeightsLoader(lambda: Store(FITTED), calibration).refresh()
    assert calibration.corrections() == {**FITTED, ("m", "latin"): own}


def test_a_call_that_came_before_the_registrys_weights_does_not_keep_them_out() -> None:
    calibration = Calibration()
    calibration.observe("m", "latin", 1_000, {"inputTokens": 5_000})
    alone = calibration.observe("n", "latin", 1_000, {"inputTokens": 5_000})
    assert WeightsLoader(lambda: Store(FITTED), calibration).refresh()
    assert calibration.corrections() == {**FITTED, ("n", "latin"): alone}


def test_live_values_refine_what_was_loaded() -> None:
    calibration = Calibration()
    loader = WeightsLoader(lambda: Store(FITTED), calibration)
    loader.refresh()
    calibration.observe("m", "latin", 1_000, {"inputTokens": 2_000})
    loader.refresh()
    assert calibration.correction("m", "latin").calls == 901
    assert 0.2 < calibration.correction("m", "latin").shift < 0.3


def test_a_store_that_hangs_holds_up_nobody() -> None:
    store, calibration = Store(FITTED), Calibration()
    store.gate.clear()
    loader = WeightsLoader(lambda: store, calibration, delay_s=0.0)
    loader.start()
    assert store.asked.wait(20)
    assert calibration.correction("m", "latin") == Correction()
    calibration.observe("n", "latin", 1_000, {"inputTokens": 2_000})
    store.gate.set()
    wait_for(lambda: calibration.correction("m", "latin").calls == 900)
    loader.close()


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("odd")])
def test_a_store_that_fails_leaves_what_was_known_and_is_told_once(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    store, calibration = Store(FITTED), Calibration()
    loader = WeightsLoader(lambda: store, calibration)
    loader.refresh()
    store.error = error
    assert [loader.refresh(), loader.refresh()] == [False, False]
    assert calibration.corrections() == FITTED
    store.error = None
    assert loader.refresh()
    assert [message.partition(";")[0] for message in caplog.messages] == [
        "The calibration of token estimates cannot be read",
        "The calibration of token estimates can be read again.",
    ]


def test_a_document_of_another_kind_is_a_failure_and_no_crash(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(FITTED)
    store.body = {"corrections": "none"}
    assert WeightsLoader(lambda: store, Calibration()).refresh() is False
    assert len(caplog.messages) == 1


def test_no_weights_are_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    calibration = Calibration()
    assert WeightsLoader(Store, calibration).refresh()
    assert (calibration.corrections(), caplog.messages) == ({}, [])


def test_the_thread_ends_with_its_loader() -> None:
    loader = WeightsLoader(Store, Calibration(), delay_s=0.01, interval_s=0.01)
    loader.start()
    thread = loader._refresher._thread
    assert thread is not None
    del loader
    gc.collect()
    thread.join(20)
    assert not thread.is_alive()
