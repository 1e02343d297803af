from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from kenshin.experiments.page import render_page

VERDICTS = ["hold", "roll_back", "promote", "reject", "inconclusive", "extend", "continue"]
NO_CONTENT = {"meta"}


class Reader(HTMLParser):
    """Tags with their attributes, and what is written in each."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in NO_CONTENT:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)

    @property
    def words(self):
        return re.sub("[ \n]+", " ", " ".join(self.text))


def page_of(body, **options):
    return render_page(body, **options).decode()


def test_it_begins_with_the_decision_in_words(body):
    read = Reader(page_of(body))
    words = read.words
    assert read.open == []
    order = [
        words.index(each)
        for each in (
            "Promote the candidate",
            "Promote arm B (small-class): its score is higher by 0.0321",
            "+8.2\u00a0%",
            "10 of 14",
            "It was stopped early",
            "+0.0007 and +0.0635",
            "A person is asked in Airflow",
            "The difference, night by night",
            "Sample ratio",
            "Group-sequential test at 5\u00a0%",
            "Welch's p 0.0029: valid for one look only",
        )
    ]
    assert order == sorted(order)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_verdict_has_words(body, verdict):
    body["decision"]["verdict"] = verdict
    page = page_of(body)
    assert "What next" in page
    assert re.search(r'<section class="verdict (good|bad|waiting|neutral)"', page)


def test_the_same_report_gives_the_same_bytes(body):
    assert render_page(body) == render_page(body)


def test_it_is_small_and_asks_for_nothing(body):
    page = page_of(body)
    assert len(page.encode()) < 400_000
    read = Reader(page)
    tags = {tag for tag, _ in read.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "a"}
    assert not [
        value for _, attributes in read.tags for name, value in attributes.items() if name in ("src", "href")
    ]
    assert not [
        name for _, attributes in read.tags for name in attributes if name == "style" or name.startswith("on")
    ]
    policy = next(a["content"] for t, a in read.tags if a.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


HOSTILE = "</style></svg><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}'\"\x00&amp;"


def test_what_people_wrote_is_text(body):
    for key in ("description", "unit", "randomised", "left_out", "score_unit"):
        body[key] = HOSTILE
    body["decision"].update(words=HOSTILE, reasons=[HOSTILE])
    body["segments"][0]["segment"] = HOSTILE
    for arm in body["arms"]:
        arm["prompt_version"] = HOSTILE
    body["crossing"], body["crossing_sessions"] = {HOSTILE: ["A", "B"]}, 1
    entry = {"number": 1, "at": HOSTILE, "kind": HOSTILE, "by": HOSTILE, "body": {HOSTILE: HOSTILE}}
    read = Reader(page_of(body, ledger=[entry]))
    assert read.open == []
    assert not {tag for tag, _ in read.tags} & {"script", "img"}
    assert read.words.count("{{ 7 * 7 }}") > 10


def test_a_guardrail_of_what_should_be_high_has_its_margin_below(body):
    words = Reader(page_of(body)).words
    assert "turns B −26.2\u00a0% −31.0\u00a0% to −21.0\u00a0% −20.0\u00a0% harmed" in words
    assert "cost B +6.0\u00a0% −2.0\u00a0% to +14.0\u00a0% +10.0\u00a0% undecided" in words


def test_tables_have_heads_and_charts_have_words(body):
    read = Reader(page_of(body))
    heads = [attributes.get("scope") for tag, attributes in read.tags if tag == "th"]
    assert set(heads) == {"col", "row"}
    charts = [attributes for tag, attributes in read.tags if tag == "svg"]
    assert len(charts) == 2 * 5
    assert all(chart["role"] == "img" and len(chart["aria-label"]) > 30 for chart in charts)
    names = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(names) == len(set(names))


def test_the_ledger_is_there_when_it_is_given(body):
    entry = {
        "number": 12,
        "at": "2026-11-11 01:02 UTC",
        "kind": "answer",
        "by": "hana",
        "body": {"chose": "Promote"},
    }
    assert "12 2026-11-11 01:02 UTC answer hana chose Promote" in Reader(page_of(body, ledger=[entry])).words
    assert "hana" not in page_of(body)


def test_nothing_estimated_yet(body):
    body["decision"].update(
        verdict="hold", arm=None, words="An arm has 3 scored sessions.", biased_upward=False
    )
    body["primary"] = [{"arm": "B", "delta": None}]
    body.update(looks=[], guardrails=[], segments=[], by_phase=[], crossing={}, p_value=None)
    body["plan"].update(power=None, minimal_detectable_effect=None, conditional_power=None)
    body["arms"][1].update(score={**body["arms"][1]["score"], "mean": None, "se": None}, latency_p95=None)
    read = Reader(page_of(body))
    assert "Hold: the figures cannot be used yet" in read.words
    assert not [tag for tag, _ in read.tags if tag == "svg"]


def test_a_night_that_may_not_decide_yet(body):
    body["looks"] = body["looks"][:1]
    lead = body["primary"][0]
    lead.update(boundary=None, ci_low=None, ci_high=None, by_phase=lead["by_phase"][:1])
    body["decision"].update(verdict="hold", arm=None)
    assert "too early for an interval" in Reader(page_of(body)).words


def test_several_candidates_have_a_chart_each(body):
    body["arms"].append({**body["arms"][1], "arm": "C", "prompt_version": "tiny-class"})
    body["primary"].append({**body["primary"][0], "arm": "C", "by_phase": []})
    body["looks"] += [{**look, "arm": "C"} for look in body["looks"]]
    words = Reader(page_of(body)).words
    assert "night by night: B (small-class)" in words
    assert "night by night: C (tiny-class)" in words
    assert "173" not in words.split("Sessions")[0]
