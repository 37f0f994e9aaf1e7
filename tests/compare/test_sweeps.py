"""Sweeps: how fields and values become settings."""

import pytest

from gandem.compare import Setting, make_settings, parse_sweeps
from gandem.compare.sweeps import MAX_SETTINGS, format_changes, format_sweeps
from gandem.core.errors import SpecError
from gandem.core.specs import parse_setting


@pytest.mark.parametrize(
    ("text", "sweeps"),
    [
        ("latent=16,32", {"latent": [16, 32]}),
        ("hidden=[8,8],[16]", {"hidden": [[8, 8], [16]]}),
        (
            'loss={name="hinge", halves="sum"},{name="minimax"}',
            {"loss": [{"name": "hinge", "halves": "sum"}, {"name": "minimax"}]},
        ),
        ("name='a,b',c", {"name": ["a,b", "c"]}),
        ("width=8", {"width": [8]}),
        ("latent:name=8:'a:b',16:c", {"latent:name": [[8, "a:b"], [16, "c"]]}),
        ("name=a:b,c", {"name": ["a:b", "c"]}),
    ],
)
def test_separators_within_brackets_and_quotes_belong_to_a_value(text, sweeps):
    assert parse_sweeps([text]) == sweeps


@pytest.mark.parametrize("text", ["latent", "=1,2", "latent=", "latent=1,,2", ":=1:2", "a:=1:2"])
def test_a_sweep_without_field_or_values_is_refused(text):
    with pytest.raises(SpecError, match="expected FIELD=A,B,C"):
        parse_sweeps([text])


def test_two_sweeps_of_a_field_are_refused():
    with pytest.raises(SpecError, match="a occurs twice"):
        parse_sweeps(["a=1,2", "a=3,4"])


def test_several_sweeps_are_combined():
    assert [s.texts for s in make_settings({"a": [1, 2], "b": [3, 4]})] == [
        ("a=1", "b=3"),
        ("a=1", "b=4"),
        ("a=2", "b=3"),
        ("a=2", "b=4"),
    ]
    assert make_settings({}) == (Setting(),)


def test_fields_joined_by_colons_change_together():
    assert [s.changes for s in make_settings({"a:b": [(1, "x"), (2, "y")], "c": [0.5, 1.0]})] == [
        {"a": 1, "b": "x", "c": 0.5},
        {"a": 1, "b": "x", "c": 1.0},
        {"a": 2, "b": "y", "c": 0.5},
        {"a": 2, "b": "y", "c": 1.0},
    ]


@pytest.mark.parametrize(
    ("sweeps", "message"),
    [
        ({"a:b": [[1, 2], [3]]}, "expected a value for each of a, b"),
        ({"a:b": [1, 2]}, "expected a value for each of a, b"),
        ({"a:b": [[1, 2]], "b": [3]}, "b occurs twice"),
        ({"a": [1, 1]}, "a value of a occurs twice"),
        ({"a": [1e-4, 0.0001]}, "a value of a occurs twice"),
        ({"a": []}, "a has no values"),
        ({"a": range(1000), "b": range(1000)}, f"at most {MAX_SETTINGS:,} settings"),
    ],
)
def test_a_sweep_that_makes_no_clear_grid_is_refused(sweeps, message):
    with pytest.raises(SpecError, match=message):
        make_settings(sweeps)


@pytest.mark.parametrize("field", ["latent", "latent:width"])
def test_a_field_that_is_set_cannot_be_swept(field):
    with pytest.raises(SpecError, match="latent is set with --set too"):
        make_settings({field: [[1, 2], [3, 4]]}, {"latent": 8})


@pytest.mark.parametrize(
    "value",
    [
        *(3, -0.5, 5.0, -5.0, 1e-4, 2e300, True, False),
        *("hinge", "true", "1e-4", "a b", 'x"y', "", "é", "[1", "\t"),
        *([1, 2.5], ["a", "b,c"], {"name": "hinge", "odd key": [1]}, []),
    ],
)
def test_a_formatted_change_is_parsed_to_the_same_value(value):
    (text,) = format_changes({"field": value})

    path, parsed = parse_setting(text)

    assert (path, parsed, type(parsed)) == ("field", value, type(value))


@pytest.mark.parametrize(
    "sweeps",
    [
        {},
        {"a": [1, 2], "b": ["x,y", "z:1"]},
        {"a:b": [(1, 2), (3, 4)]},
        {"a:b": [(1, 2), (3, 4)], "c": [[1, 2], {"k": 1}]},
    ],
)
def test_settings_are_made_again_by_their_sweeps(sweeps):
    settings = make_settings(sweeps)

    assert make_settings(parse_sweeps(format_sweeps(settings))) == settings
