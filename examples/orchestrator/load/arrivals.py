"""Arrivals: people who come by chance, say something and go on when they are answered, over HTTP or a WebSocket.

An arrival waits for nobody's answer (open loop), and what it waits is counted from the instant at which it was due:
where service or generator fall behind, this shows as waiting.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from orchestrator.load.outcomes import Outcome
from orchestrator.load.texts import again, conversation

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What load there is to be.

    Args:
        rate: requests a second; arrivals do not wait for answers.
        seconds: how long.
        seed: of everything.
        turns: so many a session has at most.
        sockets: the share of sessions that talk over a WebSocket.
    """

    rate: float = 50.0
    seconds: float = 60.0
    seed: int = 7
    turns: int = 14
    sockets: float = 0.3


@dataclass(slots=True)
class _Person:
    """One session: says one thing after the other."""

    session_id: str
    way: str
    says: Iterator[str]
    socket: ClientConnection | None = None
    left: int = field(default=0)


class Load:
    """A run against one service.

    Args:
        url: of the service.
        pool: questions with their languages.
        plan: what load.
    """

    def __init__(self, url: str, pool: Sequence[tuple[str, str]], plan: Plan) -> None:
        self.outcomes: list[Outcome] = []
        self._url = url
        self._pool = pool
        self._plan = plan
        self._random = Random(plan.seed)  # noqa: S311
        self._idle: list[_Person] = []
        self._people = 0
        self._began = time.monotonic()

    async def warm_up(self) -> None:
        """Say everything once, one after the other, so that nothing has to be embedded under load."""
        async with self._client() as client:
            for number, (question, language) in enumerate(self._pool):
                for said in (question, again(question, language)):
                    await self._over_http(client, f"warm-{self._plan.seed}-{number}", said, time.monotonic())

    async def run(self) -> None:
        """All arrivals, and then the answers that are still on their way."""
        self._began = time.monotonic()
        async with self._client() as client, asyncio.TaskGroup() as tasks:
            due = 0.0
            while (due := due + self._random.expovariate(self._plan.rate)) < self._plan.seconds:
                await asyncio.sleep(max(0.0, self._began + due - time.monotonic()))
                tasks.create_task(self._turn(client, self._next_person(), self._began + due))
        for person in self._idle:
            await _hang_up(person)

    def _client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        return httpx.AsyncClient(base_url=self._url, timeout=PATIENCE_S, limits=limits, trust_env=False)

    def _next_person(self) -> _Person:
        # Somebody new comes now and then, so that conversations of every length are under way.
        if self._idle and self._random.random() > 1 / self._plan.turns:
            return self._idle.pop(self._random.randrange(len(self._idle)))
        self._people += 1
        turns = self._random.randint(2, self._plan.turns)
        return _Person(
            session_id=f"load-{self._plan.seed}-{self._people}",
            way="ws" if self._random.random() < self._plan.sockets else "http",
            says=conversation(self._pool, Random(self._plan.seed * 100_003 + self._people), turns),  # noqa: S311
            left=turns,
        )

    async def _turn(self, client: httpx.AsyncClient, person: _Person, due: float) -> None:
        said = next(person.says)
        person.left -= 1
        if person.way == "ws":
            await self._over_socket(person, said, due)
        else:
            await self._over_http(client, person.session_id, said, due)
        if person.left:
            self._idle.append(person)
        else:
            await _hang_up(person)

    async def _over_http(self, client: httpx.AsyncClient, session_id: str, said: str, due: float) -> None:
        try:
            answer = await client.post("/chat", json={"session_id": session_id, "message": said})
            status, body = answer.status_code, answer.json()
        except (httpx.HTTPError, ValueError):
            status, body = 0, {}
        self._note(due, "http", status, body)

    async def _over_socket(self, person: _Person, said: str, due: float) -> None:
        status, body, pieces = 0, dict[str, Any](), 0
        with suppress(WebSocketException, OSError, TimeoutError, ValueError):
            async with asyncio.timeout(PATIENCE_S):
                if person.socket is None:
                    person.socket = await connect(self._url.replace("http", "ws", 1) + "/ws", proxy=None)
                await person.socket.send(json.dumps({"session_id": person.session_id, "message": said}))
                while status == 0:
                    frame = json.loads(await person.socket.recv())
                    if frame["type"] == "text":
                        pieces += 1
                    else:
                        status, body = frame.get("status", 200), frame
        if status == 0:
            await _hang_up(person)
        self._note(due, "ws", status, body, pieces)

    def _note(self, due: float, way: Any, status: int, body: Any, pieces: int = 0) -> None:
        waited = 1000 * (time.monotonic() - due)
        self.outcomes.append(Outcome(due - self._began, way, status, waited, body, pieces))


async def _hang_up(person: _Person) -> None:
    if person.socket is not None:
        with suppress(WebSocketException, OSError):
            await person.socket.close()
        person.socket = None
