"""Run the stand-in until SIGTERM or SIGINT; prints its address."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading

from peers.bedrock import BedrockPeer, ChatAnswers, Fault, Model, Pace


def main() -> int:
    """Serve; answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m peers.bedrock", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--first-ms", type=float, default=0.0, help="time to the first token")
    parser.add_argument("--token-ms", type=float, default=0.0, help="time for each further token")
    parser.add_argument("--made-up", type=float, default=0.0, help="share of answers with an invented figure")
    parser.add_argument("--off-schema", type=float, default=0.0, help="share that breaks its JSON Schema")
    parser.add_argument("--faults", default="[]", help="rules as a JSON list; see peers.bedrock.Fault")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    said = parser.parse_args()
    try:
        faults = [Fault.of(each) for each in json.loads(said.faults)]
        peer = BedrockPeer(
            model=Model(answer=ChatAnswers(made_up=said.made_up, off_schema=said.off_schema)),
            faults=faults,
            seed=said.seed,
            pace=Pace(said.first_ms / 1000, said.token_ms / 1000),
            port=said.port,
        )
    except (ValueError, TypeError, OSError) as error:
        print(f"peers.bedrock: {error}", file=sys.stderr)
        return 2
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with peer:
        print(peer.url, flush=True)
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
