from __future__ import annotations


def test_it_says_how_many_nights(kenshin):
    options = ["--effect", "0.1", "--sessions", "60", "--worlds", "30", "--processes", "1"]
    answer = kenshin("experiments", "simulate", *options)
    assert answer.code == 0
    assert "decided by then" in answer.out
    assert "One look on the last night" in " ".join(answer.out.split())
    body = kenshin("experiments", "simulate", *options, "--json").json
    assert (body["worlds"], len(body["by_night"])) == (30, 14)
    assert body["crossed"] == body["by_night"][-1]


def test_the_rules_are_held_to_three_kinds_of_worlds(kenshin):
    body = kenshin(
        "experiments", "simulate", "--validity", "--worlds", "2", "--processes", "1", "--json"
    ).json
    assert [len(rates) for rates in body.values()] == [8, 3, 3]
    answer = kenshin("experiments", "simulate", "--validity", "--worlds", "2", "--processes", "1")
    assert "ramp under a trend" in answer.out


def test_nothing_to_simulate_is_refused(kenshin):
    answer = kenshin("experiments", "simulate", "--effect", "0.1")
    assert answer.code == 2
    assert "--sessions" in answer.err
    assert kenshin("experiments", "simulate", "nobody", "--effect", "0.1").code == 2
    both = kenshin("experiments", "simulate", "nobody", "--effect", "0.1", "--sessions", "9")
    assert (both.code, "its own sessions" in both.err) == (2, True)
