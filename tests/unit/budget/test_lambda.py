"""The zip of ``make lambda``, run as AWS Lambda would run it: an interpreter with nothing but the zip's content."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import emf_lines
import pytest

CHECKOUT = Path(__file__).parents[3]
BUILD = CHECKOUT / "examples" / "lambda" / "build.py"
SEED_EVENT = {
    "system_prompt": "You are a helpful assistant of a manga shop. " * 10,
    "conversation_history": [{"role": "user", "content": "Which volume comes after the twelfth? " * 250}],
    "rag_context": "Volume 13 appears in May. " * 40,
    "user_message": "And when can I have it?",
    "model_id": "anthropic.claude-3-5-sonnet-20241022-v2:0",
}
CALL = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from kenshin.budget.api import lambda_handler
for event in json.loads(sys.argv[2]):
    if event == "a pause":
        time.sleep(0.7)
        continue
    print("ANSWER " + json.dumps(lambda_handler(event, None)), flush=True)
"""


@pytest.fixture(scope="module")
def unzipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lambda")
    target = folder / "kenshin.zip"
    subprocess.run([sys.executable, "-I", "-S", str(BUILD), str(target)], check=True, capture_output=True)
    with zipfile.ZipFile(target) as archive:
        archive.extractall(folder / "task")
    return folder


class Invoked:
    """What a Lambda answered, and what it wrote besides."""

    def __init__(self, output: str, errors: str) -> None:
        lines = output.splitlines()
        self.answers: list[Any] = [json.loads(line[7:]) for line in lines if line.startswith("ANSWER ")]
        self.signals = [emf_lines.parse(line) for line in lines if not line.startswith("ANSWER ")]
        self.errors = errors


def invoke(unzipped: Path, *events: object) -> Invoked:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CALL, str(unzipped / "task"), json.dumps(events)],
        env={"AWS_LAMBDA_FUNCTION_NAME": "f", "KENSHIN_HOME": str(unzipped / "home")},
        cwd=unzipped / "task",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return Invoked(done.stdout, done.stderr)


def test_the_seeds_event_gets_the_seeds_answer_and_one_line_of_metrics(unzipped: Path) -> None:
    invoked = invoke(unzipped, SEED_EVENT)
    (answer,) = invoked.answers
    assert list(answer) == ["statusCode", "body"]
    assert answer["statusCode"] == 200
    body = json.loads(answer["body"])
    assert list(body)[:5] == ["status", "utilization_pct", "total_tokens", "budget_limit", "recommendation"]
    assert (body["status"], body["budget_limit"]) == ("warning", 5000)
    assert body["recommendation"].endswith("Consider compressing 'conversation_history' section.")
    (line,) = invoked.signals
    assert line["log_type"] == "budget_check"
    assert line["BudgetUtilization"] == line["utilization_pct"] == body["utilization_pct"]
    assert line["recommendation"] == body["recommendation"]


def test_several_events_of_one_instance_are_answered_apart(unzipped: Path) -> None:
    gateway = {"requestContext": {}, "body": json.dumps({"user_message": "hello", "max_tokens": 300})}
    invoked = invoke(unzipped, gateway, None, {"user_message": 7}, {"model_id": "nobody", "strict": True})
    bodies = [json.loads(answer["body"]) for answer in invoked.answers]
    assert [answer["statusCode"] for answer in invoked.answers] == [200, 200, 400, 400]
    assert bodies[0]["sections"]["output_reserve"] == 300
    assert bodies[1]["total_tokens"] == 1_507
    assert [body["error"] for body in bodies[2:]] == ["Input refused", "Unknown model"]
    assert len(invoked.signals) == 2


def test_nothing_that_a_check_may_need_is_missing(unzipped: Path) -> None:
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(16)).decode()
    image = {"type": "image", "source": {"type": "base64", "data": png}}
    turn = {"role": "user", "content": [image, {"document": {"source": {"text": "a page"}}}]}
    tool = {"name": "find", "input_schema": {}}
    invoked = invoke(unzipped, {"conversation_history": [turn], "tools": [tool]}, "a pause", SEED_EVENT)
    assert [answer["statusCode"] for answer in invoked.answers] == [200, 200]
    assert len(invoked.signals) == 2
    assert "Error" not in invoked.errors


def test_the_zip_holds_what_is_needed_and_nothing_else(unzipped: Path) -> None:
    with zipfile.ZipFile(unzipped / "kenshin.zip") as archive:
        names = archive.namelist()
    assert names == sorted(names)
    assert {"kenshin/budget/tokenizers.json", "kenshin/backends/local/emf.py"} <= set(names)
    assert not [name for name in names if name.endswith((".toml", ".html", ".js"))]
    assert not {"cli", "charts", "drift", "samples", "ui"} & {name.split("/")[1] for name in names}


def test_the_same_sources_give_the_same_bytes(unzipped: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.zip"
    subprocess.run([sys.executable, str(BUILD), str(again)], check=True, capture_output=True)
    assert again.read_bytes() == (unzipped / "kenshin.zip").read_bytes()


def test_a_registry_that_cannot_be_read_leaves_the_answer_alone(unzipped: Path) -> None:
    (unzipped / "home").mkdir(exist_ok=True)
    (unzipped / "home" / "experiments.db").write_text("no database")
    invoked = invoke(unzipped, SEED_EVENT, "a pause", SEED_EVENT)
    assert [answer["statusCode"] for answer in invoked.answers] == [200, 200]
    assert "The calibration of token estimates cannot be read" in invoked.errors
