"""The nodes of a build: what waits for what, what events say of them, and how they look on a terminal."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from luigi_tasks.domain.dbt_graph import Graph, News, Node, State
from luigi_tasks.gateways.dbt_events import explain, news_of, told
from luigi_tasks.gateways.terminal_tree import Tree, tree_for


def graph(**parents: str) -> Graph:
    """Nodes by short name: `t_` is a test, the rest are models; parents are separated by spaces."""
    ids = {name: f"{'test' if name.startswith('t_') else 'model'}.p.{name}" for name in parents}
    return Graph(
        {
            ids[name]: Node(ids[name], tuple(ids.get(parent, f"source.p.{parent}") for parent in listed.split()))
            for name, listed in parents.items()
        }
    )


def short(ids: Any) -> set[str]:
    return {unique_id.split(".")[2] for unique_id in ids}


EXAMPLE = graph(t_raw="raw", a="raw", t_a="a", b="a", c="a", t_bc="b c", d="b", e="b c", t_e="e")


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("test.p.t_raw", set()),
        ("model.p.a", {"t_raw"}),
        ("test.p.t_a", {"a"}),
        ("model.p.b", {"a", "t_a"}),
        ("test.p.t_bc", {"b", "c"}),
        ("model.p.d", {"b"}),
        ("model.p.e", {"b", "c", "t_bc"}),
    ],
)
def test_a_model_waits_for_its_parents_and_for_the_tests_of_all_that_is_above_it(name: str, before: set[str]) -> None:
    assert short(EXAMPLE.waits_for(name)) == before


def test_the_order_respects_it_and_the_last_have_waited_for_all() -> None:
    place = {unique_id: number for number, unique_id in enumerate(EXAMPLE.order)}
    assert set(place) == set(EXAMPLE.nodes)
    assert all(place[before] < place[node] for node in place for before in EXAMPLE.waits_for(node))
    assert short(EXAMPLE.last) == {"d", "t_e"}


def event(kind: str, node_status: str = "", **data: Any) -> dict[str, Any]:
    node = {"unique_id": "test.p.t_a", "node_status": node_status}
    return {"info": {"name": kind, "level": "info"}, "data": {"node_info": node, **data}}


@pytest.mark.parametrize(
    ("told", "state", "rows"),
    [
        (event("LogStartLine"), State.RUNNING, None),
        (event("LogTestResult", "pass", status="pass", num_failures=0), State.DONE, 0),
        (event("LogTestResult", "warn", status="warn", num_failures=2), State.DONE, 2),
        (event("LogTestResult", "fail", status="fail", num_failures=3), State.FAILED, 3),
        (event("LogModelResult", "success", status="INSERT 0 3"), State.DONE, None),
        (event("LogModelResult", "error", status="ERROR"), State.FAILED, None),
        (event("LogModelResult", "a word of a later dbt"), State.FAILED, None),
        (event("SkippingDetails"), State.BLOCKED, None),
        (event("RunResultError", msg="division by zero"), State.FAILED, None),
    ],
)
def test_what_events_say(told: dict[str, Any], state: State, rows: int | None) -> None:
    news = news_of(told)
    assert news is not None
    assert (news.unique_id, news.state, news.rows) == ("test.p.t_a", state, rows)


def test_other_events_say_nothing() -> None:
    assert news_of(event("LogHookEndLine")) is None
    assert news_of({"info": {"level": "error", "msg": "Killed"}}) is None


class Ends:
    """A watcher that remembers how it ended."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def begin(self, graph: Graph) -> None: ...

    def tell(self, news: News) -> None: ...

    def end(self, said: str) -> None:
        self.said.append(said)


def test_a_watcher_hears_of_the_end_also_when_the_build_is_stopped() -> None:
    watcher = Ends()
    chosen = {"selected": {"model.p.a": {"parents": [], "compiled": "", "kept": False}}}

    def stopped() -> None:
        with told([watcher]) as tell:
            tell(chosen)
            tell({"info": {"level": "error", "msg": " out of memory\n"}})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    with told([watcher]):
        pass
    assert watcher.said == ["out of memory"], "who heard of no beginning hears of no end"


def test_a_failure_is_explained_with_its_sql(tmp_path: Path) -> None:
    (tmp_path / "compiled" / "p").mkdir(parents=True)
    (tmp_path / "compiled" / "p" / "t_a.sql").write_text("select 1")
    news = News("test.p.t_a", State.FAILED, "fail", 0.1, 3)
    first, *rest = explain(Node("test.p.t_a", compiled="p/t_a.sql"), news, tmp_path).splitlines()
    assert first == f"dbt test t_a: 3 rows that should not be, fail; compiled file {tmp_path}/compiled/p/t_a.sql"
    assert rest[-1] == "select 1"


def watched(mode: str) -> str:
    """What a terminal in a mode shows of a build whose test of a fails."""
    out = io.StringIO()
    tree = tree_for(mode, "Model", out)
    if tree is None:
        return ""
    tree.begin(EXAMPLE)
    tree.tell(News("model.p.a", State.DONE, "INSERT 0 3", 1.25))
    tree.tell(News("test.p.t_a", State.FAILED, "fail", 0.5, 3))
    tree.tell(News("test.p.t_a", State.FAILED, "error", message="the same again"))
    tree.tell(News("model.p.b", State.BLOCKED, "skipped"))
    tree.end("")
    return out.getvalue()


def test_a_terminal_shows_the_failure_and_a_tree() -> None:
    failure, *tree = watched("bar").splitlines()
    assert failure == "Model: ✗ test t_a  fail, 3 rows  0.5 s"
    assert tree[0] == "  ✓ a  INSERT 0 3  1.2 s  0/1 tests"
    assert tree[1] == "    ✗ test t_a  fail, 3 rows  0.5 s"
    assert [line for line in tree if line.startswith("    · b  skipped")]
    assert [line for line in tree if line.startswith("      · e  not reached")]


def test_where_nobody_looks_only_the_failure_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watched("auto") == watched("plain") == "Model: ✗ test t_a  fail, 3 rows  0.5 s\n"
    assert watched("none") == watched("json") == ""
    monkeypatch.setattr("luigi_tasks.gateways.terminal_tree.LONG_SECONDS", -1.0)
    assert watched("plain").splitlines()[-1] == "Model: slowest: a 1.2 s, t_a 0.5 s, b 0.0 s"


def test_what_was_kept_of_a_failed_build_is_drawn_as_done() -> None:
    lines: list[str] = []
    tree = Tree("Model", lines.append, whole=True)
    tree.begin(Graph({"model.p.a": Node("model.p.a", kept=True)}))
    tree.end("")
    assert lines == ["  ✓ a  as before  0.0 s"]
