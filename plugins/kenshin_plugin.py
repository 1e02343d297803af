"""Kenshin as an Airflow plugin."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class KenshinPlugin(AirflowPlugin):
    """Registers Kenshin under its name; it adds nothing to Airflow yet but its listing."""

    name = "kenshin"
