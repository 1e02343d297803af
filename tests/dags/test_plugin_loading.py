"""Airflow runs every file under plugins/ that it is not told to ignore: only the plugin itself may be seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]

LOAD = """
import importlib, json, sys

# Loaded before Airflow does anything, from where they belong; those that act on import stay out.
noisy = {"antigravity", "this", "idlelib", "turtle", "tkinter", "turtledemo", "lib2to3", "test"}
for name in sys.stdlib_module_names - noisy:
    try:
        importlib.import_module(name)
    except ImportError:
        pass

def origins():
    return {
        name: (id(module), str(getattr(module, "__file__", None)))
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in sys.stdlib_module_names
    }

import airflow.plugins_manager as manager
from airflow.configuration import conf
before = origins()
manager.ensure_plugins_loaded()
after = origins()
print(json.dumps({
    "folder": conf.get("core", "plugins_folder"),
    "plugins": {plugin["name"]: str(plugin["source"]) for plugin in manager.get_plugin_info(["name", "source"])},
    "errors": manager.get_import_errors(),
    "replaced": sorted(name for name in before if after.get(name) != before[name]),
    "foreign": sorted(name for name, (_, file) in after.items() if file.startswith(conf.get("core", "plugins_folder"))),
    "compared": len(before),
}))
"""


def load(plugins: Path, home: Path) -> dict:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD], env=environment, cwd=home, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return load(CHECKOUT / "plugins", tmp_path_factory.mktemp("home"))


def test_the_plugin_loads_without_errors(loaded):
    assert loaded["folder"] == str(CHECKOUT / "plugins")
    assert loaded["errors"] == {}
    assert "kenshin_plugin.py" in loaded["plugins"]["kenshin"]


def test_no_module_of_the_standard_library_is_replaced(loaded):
    assert loaded["compared"] > 100
    assert loaded["replaced"] == []
    assert loaded["foreign"] == []


def test_the_check_sees_a_module_that_shadows_the_standard_library(tmp_path):
    plugins = tmp_path / "plugins"
    (plugins / "package").mkdir(parents=True)
    (plugins / "package" / "statistics.py").write_text("MINE = True\n")
    seen = load(plugins, tmp_path)
    assert "statistics" in seen["replaced"]
    assert "statistics" in seen["foreign"]
