"""What the page on fitting shows must run, and answer what it says."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from kenshin.budget.fitting.policy import CUTS, STEPS, FitPolicy
from kenshin.current import use
from kenshin.runtime import Runtime
from kenshin.settings import Settings

PAGE = (Path(__file__).parents[3] / "docs" / "fitting.md").read_text(encoding="utf-8")


def test_the_examples_answer_what_the_page_says(tmp_path):
    session, policy = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    test = doctest.DocTestParser().get_doctest(session, {}, "fitting.md", "docs/fitting.md", 0)
    runtime = Runtime(Settings.from_env({"KENSHIN_HOME": str(tmp_path), "KENSHIN_SIGNALS": "memory:"}))
    told: list[str] = []
    with use(runtime):
        results = doctest.DocTestRunner().run(test, out=told.append)
    assert results.attempted > 8
    assert results.failed == 0, "".join(told)
    exec(policy, {})  # noqa: S102


def test_steps_and_cuts_are_the_ones_in_force():
    assert tuple(re.findall(r"^\d\. `(\w+)`", PAGE, re.MULTILINE)) == STEPS
    assert re.findall(r"^\| `(\w+)` \| (\d) \|", PAGE, re.MULTILINE) == [
        (cut.what, str(cut.keep)) for cut in CUTS
    ]
    policy = FitPolicy()
    assert (policy.keep_passages, policy.keep_results, policy.keep_exchanges, policy.near) == (3, 3, 4, 1.0)
