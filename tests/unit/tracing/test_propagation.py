from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenshin.tracing.propagation import RemoteContext, read_headers, read_w3c, read_xray, xray_id

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"

HEX32 = st.integers(1, 2**128 - 1).map("{:032x}".format)
HEX16 = st.integers(1, 2**64 - 1).map("{:016x}".format)
STATES = st.lists(
    st.tuples(st.from_regex(r"\A[a-z][a-z0-9]{0,8}\Z"), st.from_regex(r"\A[a-zA-Z0-9:;.]{1,9}\Z")),
    max_size=8,
    unique_by=lambda pair: pair[0],
).map(lambda pairs: ",".join(f"{name}={value}" for name, value in pairs))
CONTEXTS = st.builds(RemoteContext, HEX32, HEX16, st.booleans(), STATES)


@given(CONTEXTS)
def test_what_is_written_is_read_again(context):
    assert read_headers(context.headers()) == context
    assert read_w3c(context.traceparent, context.tracestate) == context


@given(st.builds(RemoteContext, HEX32, st.none() | HEX16, st.none() | st.booleans()))
def test_what_is_written_for_xray_is_read_again(context):
    assert read_xray(context.xray) == context
    assert read_headers({"X-AMZN-TRACE-ID": context.xray}) == context


@given(HEX32)
def test_both_write_the_same_id(trace_id):
    assert xray_id(trace_id).removeprefix("1-").replace("-", "") == trace_id


HEADERISH = st.text(st.sampled_from("0123456789abcdefABCDEF-;=,_ \t?Ro1٣\x00\ud800"), max_size=80)


@given(st.text() | HEADERISH | st.none() | st.binary() | st.integers(), st.text() | HEADERISH)
def test_garbage_never_raises(value, state):
    for header in ("traceparent", "x-amzn-trace-id"):
        found = read_headers({header: value, "tracestate": state, 3: state})
        assert found is None or int(found.trace_id, 16)
    assert read_headers(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        PARENT.upper(),
        PARENT + "-more",
        "ff" + PARENT[2:],
        PARENT.replace(TRACE, "0" * 32),
        PARENT.replace(SPAN, "0" * 16),
        PARENT[:-1],
        PARENT.replace("a", "g", 1),
        PARENT.replace("-01", "-٣1"),
        f"01-{TRACE}-{SPAN}-01.more",
        PARENT + "\n",
        f"01-{PARENT[3:]}-" + "x" * 300,
    ],
)
def test_a_traceparent_that_breaks_the_format_is_none(value):
    assert read_w3c(value) is None


@pytest.mark.parametrize(
    ("value", "sampled"),
    [
        (PARENT, True),
        (PARENT[:-2] + "00", False),
        (PARENT[:-2] + "03", True),
        (f"cc-{PARENT[3:]}-what-comes", True),
    ],
)
def test_a_traceparent_of_this_or_a_later_version_is_read(value, sampled):
    assert read_w3c(f" {value}\t") == RemoteContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        ("congo=t61rcWkgMzE", "congo=t61rcWkgMzE"),
        ("congo=1 , rojo=00f067aa0ba902b7,", "congo=1,rojo=00f067aa0ba902b7"),
        ("tenant@vendor=x", "tenant@vendor=x"),
        ("congo=1,congo=2", ""),
        ("Congo=1", ""),
        ("congo", ""),
        ("congo=é", ""),
        (",".join(f"k{number}=1" for number in range(33)), ""),
        ("k=" + "x" * 600, ""),
        (None, ""),
    ],
)
def test_a_tracestate_is_handed_on_or_dropped(state, kept):
    assert read_w3c(PARENT, state).tracestate == kept


@pytest.mark.parametrize(
    ("value", "context"),
    [
        (f"Root={xray_id(TRACE)}", RemoteContext(TRACE)),
        (f"Root={xray_id(TRACE)};Parent={SPAN};Sampled=1", RemoteContext(TRACE, SPAN, True)),
        (f"Sampled=0; Parent={SPAN}; Root={xray_id(TRACE)}", RemoteContext(TRACE, SPAN, False)),
        (f"Self=1-67891233-abcdef012345678912345678;Root={xray_id(TRACE)};Sampled=?", RemoteContext(TRACE)),
        (f"Root={xray_id(TRACE)};Parent={SPAN};Lineage=a87bd80c:1|68fd508a:5", RemoteContext(TRACE, SPAN)),
        (f"Root={TRACE}", None),
        (f"Root=2{xray_id(TRACE)[1:]}", None),
        (f"Root={xray_id('0' * 32)}", None),
        (f"Root={xray_id(TRACE)};Parent=xyz", None),
        (f"Root={xray_id(TRACE)};Root={xray_id('1' * 32)}", None),
        (f"Parent={SPAN};Sampled=1", None),
        ("Root=" + "1" * 2000, None),
    ],
)
def test_xrays_header(value, context):
    assert read_xray(value) == context


def test_w3c_counts_before_xray():
    headers = {"Traceparent": PARENT, "X-Amzn-Trace-Id": f"Root={xray_id('1' * 32)}"}
    assert read_headers(headers).trace_id == TRACE
    assert read_headers({**headers, "Traceparent": "none"}).trace_id == "1" * 32


def test_a_trace_goes_on_with_its_callers(kept, pipeline):
    headers = {"traceparent": PARENT[:-2] + "00", "tracestate": "congo=1"}
    with pipeline.trace("s", headers=headers) as trace:
        assert (trace.trace_id, trace.parent_id, trace.sampled) == (TRACE, SPAN, False)
        out = trace.headers()
        assert out["traceparent"] == f"00-{TRACE}-{trace.span_id}-00"
        assert out["tracestate"] == "congo=1"
        assert out["X-Amzn-Trace-Id"] == f"Root={xray_id(TRACE)};Parent={trace.span_id};Sampled=0"
        with pipeline.span(trace, "call") as span:
            assert read_headers(trace.headers()).span_id == span.span_id
    assert (kept.records[0].trace_id, kept.records[0].parent_id) == (TRACE, SPAN)
    assert kept.records[0].span_id == trace.span_id


def test_a_load_balancers_header_gives_the_trace_alone(kept, pipeline):
    with pipeline.trace("s", headers={"x-amzn-trace-id": f"Root={xray_id(TRACE)}"}) as trace:
        assert (trace.trace_id, trace.parent_id) == (TRACE, None)
    assert kept.records[0].parent_id is None


def test_fields_of_x_ray_that_are_of_no_concern_may_come_twice():
    root = "Root=1-5759e988-bd862e3fe1be46a994272793"
    assert read_xray(f"{root};Lineage=a:1;Lineage=b:2").trace_id == "5759e988bd862e3fe1be46a994272793"
    assert read_xray(f"{root};Root=1-5759e988-000000000000000000000001") is None
