"""The chat page in a real browser: it asks, shows the answer as text, and says what went wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import uvicorn
from chromium import browser
from drift_days import measured
from peers.bedrock import BedrockPeer, Fault, Model, Reply
from peers.bedrock.operations import Operations

from kenshin.runtime import Runtime
from orchestrator.app import create_app
from orchestrator.chat import ChatService

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

__all__ = ["browser"]


@pytest.fixture
def address(service: ChatService) -> Iterator[str]:
    app = create_app(lambda: service, close=lambda: None)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    (socket,) = server.servers[0].sockets
    yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(params=[(1100, 900, "light"), (390, 800, "dark")], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    width, height, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    opened = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda one: asked.append(one.url))
    opened.goto(address)
    yield opened
    context.close()
    assert said == []
    assert all(url.startswith(address) for url in asked)


def ask(page: Page, text: str, count: int) -> None:
    page.fill("#message", text)
    page.keyboard.press("Enter")
    page.locator(".answer:not(.waiting)").nth(count - 1).wait_for()


def test_a_question_is_answered_on_the_page(page: Page, bedrock: BedrockPeer) -> None:
    ask(page, "How long do log groups keep events?", 1)
    assert "30 days" in page.locator(".answer p").inner_text()
    seen = page.locator(".seen").inner_text()
    assert "claude-3-5-sonnet" in seen
    assert "logs.PutRetentionPolicy" in seen
    bedrock.set_faults([Fault("error", code="InternalServerException")])
    ask(page, "And now?", 2)
    assert "The model failed" in page.locator(".answer.failed p").inner_text()
    # The first model failed, and the one in its stead.
    assert "error, then error" in page.locator(".answer.failed .seen").inner_text()
    bedrock.set_faults([])
    ask(page, "And now?", 3)
    fits = page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert fits


def test_the_page_says_that_a_stand_in_speaks_and_shows_a_drift_alert(page: Page, runtime: Runtime) -> None:
    page.locator("#state.ok").wait_for()
    assert "its words mean nothing" in page.locator("#stand-in").inner_text()
    measured(runtime, 0.19)
    page.locator("#state.attention").wait_for()
    assert page.locator("#state").inner_text().startswith("drift alert, p95 0.19 on ")


def test_markup_is_shown_as_text(page: Page, bedrock: BedrockPeer) -> None:
    markup = "<img src=x onerror=document.title='hacked'>"
    bedrock.operations = Operations(Model(answer=lambda prompt: Reply(markup)))
    ask(page, markup, 1)
    assert page.locator(".own p").inner_text() == markup
    assert page.locator(".answer p").inner_text() == markup
    assert page.locator("main img").count() == 0
    assert page.title() == "Kenshin: example chat"
