"""The expression language: what is read, what is refused and how that is said, and what an expression means."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runners.lib import expr
from runners.lib.expr import ExprError, Quantity, UnknownName
from runners.lib.expr.tree import Arithmetic, Baseline, Call, Comparison, Logic, Name, Not, Number, Text


class Values:
    """A context from a table: text of a reference → quantity; None is a name that exists without a value."""

    def __init__(self, table, baselines=None):
        self.table, self.baselines = table, baselines or {}

    def unit(self, reference):
        if str(reference) not in self.table:
            raise UnknownName(f"unknown {reference}")
        found = self.table[str(reference)]
        return None if found is None else found.unit

    def value(self, reference):
        self.unit(reference)
        return self.table[str(reference)]

    def baseline(self, operand):
        return self.baselines.get(str(operand))


def value_of(text, baselines=None, **table):
    known = {name.replace("__", "."): item for name, item in table.items()}
    return expr.evaluate(expr.parse(text), Values(known, baselines))


# --- reading


def test_the_gates_of_the_shipped_campaign_are_read():
    tree = expr.parse("audit.lost == 0 and p95(users.search, phase=before) < 5s")
    assert tree == Logic(
        "and",
        (
            Comparison("==", Name(("audit", "lost")), Number(0.0)),
            Comparison("<", Call("p95", ("users", "search"), phase="before"), Number(5.0, "s")),
        ),
    )


def test_and_binds_stronger_than_or_and_not_strongest():
    tree = expr.parse("a == 1 or not b == 2 and c == 3")
    assert isinstance(tree, Logic) and tree.op == "or"
    both = tree.operands[1]
    assert isinstance(both, Logic) and both.op == "and" and isinstance(both.operands[0], Not)


def test_arithmetic_groups_to_the_left_and_products_bind_stronger():
    tree = expr.parse("a - b - c * d / e < 1")
    assert isinstance(tree, Comparison)
    assert str(tree.left) == "a - b - c * d / e"
    assert isinstance(tree.left, Arithmetic) and tree.left.op == "-"
    assert isinstance(tree.left.left, Arithmetic) and str(tree.left.left) == "a - b"
    assert isinstance(tree.left.right, Arithmetic) and str(tree.left.right.left) == "c * d"


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [("3s", 3, "s"), ("3 ms", 3, "ms"), ("2h", 2, "h"), ("1.5GB", 1.5, "GB"), ("5%", 5, "%"), ("10/s", 10, "/s")],
)
def test_units_belong_to_their_number(text, value, unit):
    tree = expr.parse(f"x < {text}")
    assert isinstance(tree, Comparison) and tree.right == Number(value, unit)


def test_a_slash_before_a_longer_name_divides():
    tree = expr.parse("10/stage == 2")
    assert isinstance(tree, Comparison) and tree.left == Arithmetic("/", Number(10), Name(("stage",)))


def test_a_hyphen_inside_a_name_belongs_to_it_and_one_between_spaces_subtracts():
    assert expr.parse("recovery(ingest-crash) < 15s").left == Call("recovery", ("ingest-crash",))
    assert expr.parse("a - b == 0").left == Arithmetic("-", Name(("a",)), Name(("b",)))


def test_arguments_are_read_in_any_order_and_a_window_is_kept_in_seconds():
    tree = expr.parse("error_rate(users, window=2m, tenant=acme, phase=fault) < 1%")
    assert tree.left == Call("error_rate", ("users",), "fault", 120.0, "acme")


def test_a_regular_expression_keeps_its_backslashes():
    assert expr.parse(r'commit ~ "\d+\.\"x\\d"').right == Text(r'\d+\."x\d')


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "value is expected, found the end"),
        ("p95(users", 10, "')' expected"),
        ("audit.lost", 11, "comparison is expected"),
        ("a = 1", 3, "'=' is not a comparison"),
        ("p59(users) < 1s", 1, "did you mean 'p99'"),
        ("p95(users, fase=before) < 1s", 12, "did you mean 'phase'"),
        ("p95(users, phase=befor) < 1s", 18, "did you mean 'before'"),
        ("p95(users, phase=fault, phase=fault) < 1s", 25, "given twice"),
        ("p95(users, window=30) < 1s", 19, "window=30s"),
        ("recovery(crash, window=3s) < 1s", 17, "no argument"),
        ("a < 3 b == 1", 7, "join conditions"),
        ("a < 3parsec", 5, "not a number with a unit"),
        ('a == "x', 6, "no end"),
        ("a == 1 and", 11, "value is expected"),
        ("(a + 1) * 2 == 3", 7, "comparison is expected, found ')'"),
        ("2 * (a + 1) == 3", 5, "no parentheses"),
        ('a ~ "("', 5, "not a regular expression"),
        ("a $ b", 3, "unexpected '$'"),
        ("a < 1e999", 5, "too large"),
    ],
)
def test_an_error_names_the_column_and_the_way_out(text, column, says):
    with pytest.raises(ExprError) as caught:
        expr.parse(text)
    assert caught.value.column == column
    assert says in str(caught.value)


def test_deep_nesting_is_an_error_and_no_crash():
    for text in (
        "(" * 5000 + "a",
        "(" * 1000 + "a == 1",
        "not (" * 700 + "a",
        "baseline(" * 400 + "a",
        "1" + "+1" * 1900,
    ):
        with pytest.raises(ExprError):
            expr.parse(text)


@given(st.text(max_size=60) | st.text('ab.()<>=~!+-*/,019%sm "\\andornt', max_size=60))
@example('a ~ "' + "(" * 30 + '"')
def test_reading_anything_raises_nothing_but_an_expr_error(text):
    try:
        tree = expr.parse(text)
    except ExprError as error:
        assert error.what
    else:
        assert expr.parse(str(tree)) == tree


# --- printing: any tree of the grammar comes back from its text

_WORDS = st.sampled_from(["a", "users", "audit", "lost", "ingest-crash", "x_1", "min", "p95", "s", "ms", "B"])
_PATHS = st.lists(_WORDS, min_size=1, max_size=3).map(tuple)
_NUMBERS = st.builds(
    Number,
    st.floats(0, 1e300, allow_nan=False) | st.integers(0, 10**20).map(float),
    st.sampled_from([None, "ms", "s", "m", "h", "d", "B", "kB", "MB", "GB", "%", "/s"]),
)
_METRICS = st.builds(
    Call,
    st.sampled_from(["min", "mean", "max", "p50", "p999", "count", "rate", "sum", "error_rate"]),
    _PATHS,
    st.none() | st.sampled_from(expr.PHASES),
    st.none() | st.integers(1, 10**6).map(float),
    st.none() | st.text(max_size=8),
) | st.builds(Call, st.sampled_from(["detect", "recovery"]), _PATHS)
_LEAVES = _NUMBERS | st.builds(Text, st.text(max_size=10)) | st.builds(Name, _PATHS) | _METRICS


def _sums(atoms):
    terms = st.lists(st.tuples(st.sampled_from("*/"), atoms), min_size=1, max_size=3).map(_chained)
    return st.lists(st.tuples(st.sampled_from("+-"), terms), min_size=1, max_size=3).map(_chained)


def _chained(parts):
    result = parts[0][1]
    for op, right in parts[1:]:
        result = Arithmetic(op, result, right)
    return result


_SUMS = _sums(_LEAVES | st.builds(Baseline, _sums(_LEAVES)))
_COMPARISONS = st.builds(Comparison, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), _SUMS, _SUMS)
_TREES = st.recursive(
    _COMPARISONS,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(Logic, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


@given(_TREES)
def test_what_is_printed_is_read_back_as_the_same_tree(tree):
    assert expr.parse(str(tree)) == tree


@given(_TREES)
def test_evaluating_any_tree_raises_nothing_but_an_expr_error(tree):
    class Anything:
        def unit(self, reference):
            return "s" if isinstance(reference, Call) else None

        def value(self, reference):
            return Quantity(1.5, "s") if isinstance(reference, Call) else Quantity(7, "1")

        def baseline(self, operand):
            return None

    try:
        assert expr.evaluate(tree, Anything()) in (True, False, None)
    except ExprError as error:
        assert error.what


# --- units

LATENCY = {"p95(users.search)": Quantity(2.0, "s")}


def test_a_latency_compared_with_a_bare_number_is_an_error_that_names_the_unit():
    with pytest.raises(ExprError) as caught:
        expr.check(expr.parse("p95(users.search) < 3"), Values(LATENCY))
    assert "p95(users.search) is a time (s)" in str(caught.value)
    assert "write 3s" in str(caught.value)


def test_evaluate_checks_units_too_when_only_the_run_told_them():
    class Late(Values):
        def unit(self, reference):
            super().unit(reference)

    with pytest.raises(ExprError, match="a time"):
        expr.evaluate(expr.parse("p95(users.search) < 3"), Late(LATENCY))


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("t < 3s", True), ("t < 3", False), ("t < 3MB", False), ("t == 0", True), ("t / 2s < 3", True),
        ("t / 2s < 300%", True), ("t * 2 < 3s", True), ("t + 2 < 3s", False), ("t + 2ms < 3s", True),
        ("e < 1%", True), ("e < 0.01", False), ("e * 2 < 1%", True), ("b / t < 5MB / 1s", True), ("b / t < 5MB", False),
        ("r < 10/s", True), ("n / t < 10/s", True), ("r < 10", False), ("r * 2s < 10", True), ("n / n < 1%", True),
        ("120% * t < 3s", True), ("w == \"x\"", True), ("w < 3", False), ("t ~ \"x\"", False), ("w ~ x", True),
        ("w + 1 == 2", False), ("t * t < 3s", False), ("e / e < 3", True), ("t == \"x\"", False),
    ],
)  # fmt: skip
def test_dimensions_add_multiply_and_compare_as_in_physics(text, fits):
    scope = Values(
        {
            "t": Quantity(1, "ms"), "e": Quantity(0.5, "%"), "b": Quantity(1, "MB"), "r": Quantity(1, "/s"),
            "n": Quantity(2), "w": Quantity("word", "text"),
        }
    )  # fmt: skip
    if fits:
        expr.check(expr.parse(text), scope)
        assert expr.evaluate(expr.parse(text), scope) in (True, False)
    else:
        with pytest.raises(ExprError):
            expr.check(expr.parse(text), scope)
        with pytest.raises(ExprError):
            expr.evaluate(expr.parse(text), scope)


def test_values_are_compared_in_base_units():
    assert value_of("t == 0.25s and t == 250ms", t=Quantity(250, "ms")) is True
    assert value_of("t > 1MB", t=Quantity(2000, "kB")) is True
    assert value_of("t == 7%", t=Quantity(0.07, "share")) is True
    assert value_of("t == 2m", t=Quantity(120, "s")) is True


def test_a_name_that_is_not_known_is_an_error_but_a_word_beside_a_text_is_not():
    assert value_of("verdict == failed", verdict=Quantity("failed", "text")) is True
    assert value_of("failed != verdict", verdict=Quantity("passed", "text")) is True
    with pytest.raises(UnknownName):
        value_of("lots == 0", lost=Quantity(0))
    with pytest.raises(UnknownName):
        value_of("verdict == failed")


# --- three values

T, F, U = "yes == 1", "yes == 2", "gone == 1"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (U, None), (f"not {U}", None), (f"{T} and {U}", None), (f"{F} and {U}", False), (f"{U} and {F}", False),
        (f"{T} or {U}", True), (f"{U} or {T}", True), (f"{F} or {U}", None), (f"not ({F} and {U})", True),
        (f"{U} and {U}", None), ("gone + 1 == 1", None), ("yes / 0 == 1", None), ("yes / gone == 1", None),
    ],
)  # fmt: skip
def test_unknown_spreads_unless_the_other_side_decides_alone(text, value):
    assert value_of(text, yes=Quantity(1), gone=None) is value


def test_a_value_that_is_not_finite_is_unknown():
    assert value_of("x < 1", x=Quantity(float("nan"))) is None


def test_a_baseline_is_unknown_without_one():
    text, now = "p95(a) < 1.2 * baseline(p95(a))", Quantity(1.1, "s")
    context = Values({"p95(a)": now})
    assert expr.evaluate(expr.parse(text), context) is None
    context.baselines = {"p95(a)": Quantity(1.0, "s")}
    assert expr.evaluate(expr.parse(text), context) is True


def test_tilde_finds_a_substring_or_a_pattern():
    name = Quantity("ingest-crash", "text")
    assert value_of("n ~ crash", n=name) is True
    assert value_of('n ~ "^ingest-.*h$"', n=name) is True
    assert value_of('n ~ "^crash"', n=name) is False


def test_references_and_comparisons_are_listed_in_order():
    tree = expr.parse("not (a.b == 1 or baseline(p95(c)) > d) and e ~ f")
    assert [str(item) for item in expr.references(tree)] == ["a.b", "p95(c)", "d", "e", "f"]
    assert [item.op for item in expr.comparisons(tree)] == ["==", ">", "~"]


@pytest.mark.parametrize(
    ("text", "holds", "worst"),
    [
        ("rate(x, window=5s) > 10/s", False, 4), ("rate(x, window=5s) < 10/s", False, 20),
        ("rate(x, window=5s) > 3/s", True, 20), ("rate(x, window=5s) <= 20/s", True, 20),
        ("100/s - rate(x, window=5s) > 90/s", False, 80), ("gone + rate(x, window=5s) < 3/s", None, None),
    ],
)  # fmt: skip
def test_a_window_must_hold_at_its_worst_whatever_the_direction(text, holds, worst):
    class Windows:
        def unit(self, reference):
            return "/s"

        def value(self, reference):
            return None if str(reference) == "gone" else Quantity(20.0, "/s", low=4.0)

        def baseline(self, operand):
            return None

    assert expr.compare(expr.parse(text), Windows())[:2] == (holds, worst)
    with pytest.raises(ExprError, match="worst window"):
        expr.evaluate(expr.parse("rate(x, window=5s) == 4/s"), Windows())
