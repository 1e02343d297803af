from __future__ import annotations

from random import Random

from peers.bedrock import BedrockPeer, Fault

from orchestrator.load.outages import schedule
from orchestrator.load.texts import conversation, questions


def test_questions_are_real_different_and_the_same_for_a_seed() -> None:
    pool = questions(40, 7)
    assert pool == questions(40, 7)
    assert pool != questions(40, 8)
    assert len({question for question, _ in pool}) == 40
    assert {language for _, language in pool} == {"en", "ja"}
    assert not any(question.isascii() for question, language in pool if language == "ja")
    assert any(question.isascii() for question, language in pool if language == "en")


def test_a_conversation_keeps_to_its_language() -> None:
    pool = [("hello", "en"), ("今日は", "ja"), ("bye", "en")]
    for seed in range(20):
        said = list(conversation(pool, Random(seed), 12))
        assert len(said) == 12
        assert len({text.isascii() for text in said}) == 1


def test_the_outages_can_be_injected() -> None:
    with BedrockPeer() as peer:
        rules = schedule(60)
        peer.set_faults([Fault.of(rule) for rule in rules])
        assert len(peer.faults.state()) == len(rules)
    assert {rule["kind"] for rule in rules} == {
        "error",
        "hang",
        "reset",
        "slow",
        "broken_stream",
        "stream_error",
    }
