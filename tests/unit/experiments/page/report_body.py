"""A report as JSON has it: two arms, ten nights of fourteen, about what the STAR trial shows."""

from __future__ import annotations

from typing import Any

NIGHTS = 10
BOUNDARIES = (None, 7.05, 5.66, 4.82, 4.29, 3.91, 3.61, 3.37, 3.17, 3.0)
ESTIMATES = (0.021, 0.046, 0.036, 0.028, 0.033, 0.031, 0.034, 0.033, 0.0316, 0.0321)
SESSIONS = ((9, 12), (19, 22), (27, 31), (34, 40), (43, 49), (52, 58), (60, 67), (68, 75), (74, 82), (82, 91))


def figures(sessions: int, mean: float | None, se: float | None) -> dict[str, Any]:
    return {"sessions": sessions, "observations": sessions * 20, "mean": mean, "se": se}


def look(night: int, arm: str = "B") -> dict[str, Any]:
    control, candidate = SESSIONS[night - 1]
    estimate, boundary = ESTIMATES[night - 1], BOUNDARIES[night - 1]
    se = 0.0331 / (night**0.5)
    half = None if boundary is None else boundary * se
    return {
        "look": night,
        "day": f"2026-11-{night:02}",
        "night": night,
        "phase": 1,
        "metric": "quality_score",
        "arm": arm,
        "sessions": control + candidate,
        "information": 1 / se**2,
        "information_fraction": night / 14,
        "time": night / 14,
        "alpha_spent": 0.05 * (night / 14) ** 3,
        "boundary": boundary,
        "z": estimate / se,
        "estimate": estimate,
        "se": se,
        "df": 2.0 * night + 4,
        "ci_low": None if half is None else estimate - half,
        "ci_high": None if half is None else estimate + half,
        "outcome": "crossed_up" if boundary is not None and estimate / se > boundary else "undecided",
        "decision": "promote" if boundary is not None and estimate / se > boundary else "continue",
        "report_key": f"reports/experiment=star-class-size/day=2026-11-{night:02}",
        "code_version": "0.1.0",
        "sessions_a": control,
        "sessions_b": candidate,
        "expected_b": 0.5,
    }


def report_body() -> dict[str, Any]:
    """The report of the tenth night: promote, though the estimate is of an early stop."""
    looks = [look(night) for night in range(1, NIGHTS + 1)]
    last = looks[-1]
    scores = {"A": (82, 0.392, 0.0078), "B": (91, 0.424, 0.0072)}
    latencies = {"A": (412.0, 690.0), "B": (421.0, 702.0)}
    return {
        "experiment_id": "star-class-size",
        "day": "2026-11-10",
        "p_value": 0.0029,
        "p_value_note": "valid for one look only",
        "recommendation": "PROMOTE version small-class (p=0.0029)",
        "description": "Do kindergarten pupils read better in a small class (13 to 17 pupils) than in a regular one "
        "(22 to 25)? Project STAR, Tennessee, 1985-86; a real randomised trial.",
        "unit": "class (teacher)",
        "randomised": "Within each school, pupils and teachers were assigned by chance.",
        "left_out": "The class size, not a prompt, is the treatment. Pupils without a reading score are left out.",
        "score_unit": "Reading score: 0 is the lowest, 1 the highest of all pupils.",
        "days": {"first": "2026-11-01", "last": "2026-11-10", "count": 10},
        "missing_days": [],
        "empty_days": [],
        "inputs": {"statistics/x": "etag"},
        "report_key": "reports/experiment=star-class-size/day=2026-11-10",
        "recounted": False,
        "crossing_sessions": 0,
        "crossing": {},
        "phases": [1, 2],
        "arms": [
            {
                "arm": arm,
                "prompt_version": version,
                "sessions": scores[arm][0],
                "observations": scores[arm][0] * 20,
                "score": figures(*scores[arm]),
                "latency": figures(scores[arm][0], latencies[arm][0], 4.1),
                "latency_p95": {"value": latencies[arm][1], "se": 9.0},
            }
            for arm, version in (("A", "regular-class"), ("B", "small-class"))
        ],
        "by_phase": [
            {
                "phase": phase,
                "arm": arm,
                "sessions": sessions,
                "observations": sessions * 20,
                "score": figures(sessions, mean, 0.011),
                "latency": figures(sessions, 415.0, 6.0),
            }
            for phase, arm, sessions, mean in (
                (1, "A", 52, 0.39),
                (1, "B", 58, 0.42),
                (2, "A", 30, 0.395),
                (2, "B", 33, 0.43),
            )
        ],
        "decision": {
            "verdict": "promote",
            "arm": "B",
            "reasons": [
                "arm B (small-class): z 3.07, boundary 3, crossed upwards.",
                "It was stopped early, so the estimate is on average too far from zero.",
            ],
            "words": "Promote arm B (small-class): its score is higher by 0.0321 (0.0007 to 0.0635).",
            "automatic_allowed": True,
            "biased_upward": True,
            "rule": "crossed_up",
        },
        "looks": looks,
        "guardrails": [
            {
                "arm": "B",
                "metric": metric,
                "margin": margin,
                "delta_relative": delta,
                "ci_low": low,
                "ci_high": high,
                "outcome": outcome,
            }
            for metric, margin, delta, low, high, outcome in (
                ("latency_ms", 0.1, 0.022, -0.011, 0.055, "passes"),
                ("latency_ms.p95", 0.1, 0.018, -0.06, 0.096, "passes"),
                ("turns", 0.2, -0.262, -0.31, -0.21, "harmed"),
                ("cost", 0.1, 0.06, -0.02, 0.14, "undecided"),
            )
        ],
        "segments": [
            {
                "arm": "B",
                "segment": segment,
                "sessions": sessions,
                "delta": delta,
                "ci_low": delta - half,
                "ci_high": delta + half,
                "p_value": p,
                "p_adjusted": min(1.0, 2 * p),
            }
            for segment, sessions, delta, half, p in (
                ("inner-city-school", 42, 0.038, 0.031, 0.017),
                ("rural-school", 78, 0.029, 0.024, 0.019),
                ("suburban-school", 38, 0.041, 0.036, 0.026),
                ("urban-school", 15, -0.004, 0.062, 0.9),
            )
        ],
        "mismatch": {
            "chi_square_p": 0.49,
            "e_value": 0.31,
            "expected": {"A": 0.5, "B": 0.5},
            "observed": {"A": 82, "B": 91},
            "held": False,
        },
        "plan": {
            "horizon_nights": 14,
            "night": 10,
            "nights_left": 4,
            "power": 0.84,
            "minimal_detectable_effect": 0.028,
            "conditional_power": 0.97,
        },
        "primary": [
            {
                "arm": "B",
                "delta": last["estimate"],
                "se": last["se"],
                "df": last["df"],
                "relative": 0.0819,
                "relative_ci": [0.029, 0.137],
                "ci_low": last["ci_low"],
                "ci_high": last["ci_high"],
                "boundary": last["boundary"],
                "z": last["z"],
                "cuped": None,
                "by_phase": [
                    {"phase": 1, "sessions_a": 52, "sessions_b": 58, "delta": 0.03, "se": 0.0145},
                    {"phase": 2, "sessions_a": 30, "sessions_b": 33, "delta": 0.0352, "se": 0.0181},
                ],
                "session_mean_delta": 0.0315,
                "disagreement": False,
            }
        ],
        "policy": {
            "alpha": 0.05,
            "spending": "obrien_fleming",
            "horizon_nights": 14,
            "minimum_nights": 2,
            "minimum_sessions": 30,
            "correction": "holm",
            "extend": False,
            "futility": 0.1,
            "srm_alpha": 0.001,
            "crossing_share": 0.01,
            "guardrails": [
                {"metric": "latency_ms", "margin_relative": 0.1, "worse": "higher"},
                {"metric": "latency_ms.p95", "margin_relative": 0.1, "worse": "higher"},
                {"metric": "turns", "margin_relative": 0.2, "worse": "lower"},
                {"metric": "cost", "margin_relative": 0.1, "worse": "higher"},
            ],
            "minimal_effect": None,
            "winsorise": {},
            "cuped": True,
        },
    }
