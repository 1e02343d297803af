"""How AWS clients are made: by boto3's own chain online, by an Airflow Connection inside DAGs."""

from __future__ import annotations

from typing import Any, Protocol

from kenshin.errors import BackendUnavailable

DEFAULT_REGION = "ap-northeast-1"


class Clients(Protocol):
    """Makes clients; who implements it decides on credentials, endpoints and configuration."""

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client of a service; a region given here wins."""
        ...

    def credentials(self, region: str | None = None) -> Any:
        """Frozen botocore credentials, for signing requests that boto3 does not make."""
        ...


class Boto3Clients:
    """Clients from boto3's default chain: environment, profile, container or instance role."""

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client; the default region is ap-northeast-1 where nothing names another."""
        return self._session(region).client(service)

    def credentials(self, region: str | None = None) -> Any:
        """Frozen credentials.

        Raises:
            BackendUnavailable: the chain ends without any.
        """
        found = self._session(region).get_credentials()
        if found is None:
            raise BackendUnavailable(
                value="AWS credentials",
                reason="boto3's chain found none",
                mend="Configure a profile, a role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
            )
        return found.get_frozen_credentials()

    def _session(self, region: str | None) -> Any:
        try:
            import boto3
        except ImportError as error:
            raise BackendUnavailable(
                value="boto3", reason="not installed", mend="Install the extra: pip install 'kenshin[aws]'."
            ) from error
        session = boto3.Session(region_name=region)
        return session if session.region_name else boto3.Session(region_name=DEFAULT_REGION)
