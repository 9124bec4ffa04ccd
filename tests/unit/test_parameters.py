"""A driver's parameters, as YAML, an environment or a URL gives them."""

from datetime import date

import pytest

from regsweep.errors import UsageError
from regsweep_backends._parameters import Parameters


def of(**values: object) -> Parameters:
    return Parameters("s3", values)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ("", ""),
        (None, ""),
        (5, "5"),
        (0, "0"),
        (True, "True"),
        (1.5, "1.5"),
        (date(2024, 5, 6), "2024-05-06"),
    ],
)
def test_a_text_is_whatever_yaml_makes_of_what_was_written(value: object, text: str) -> None:
    assert of(region=value).text("region") == text


def test_what_is_not_given_is_empty() -> None:
    assert (of().text("region"), of().flag("secure"), dict(of().table("credentials"))) == ("", None, {})


@pytest.mark.parametrize("value", [{}, [], {"a": "b"}, ["a"]])
def test_a_map_or_a_list_is_no_text(value: object) -> None:
    with pytest.raises(UsageError, match="s3: region is no text"):
        of(region=value).text("region")
    with pytest.raises(UsageError, match="s3: secure is no text"):
        of(secure=value).flag("secure")


def test_names_are_the_same_in_any_case_as_in_the_registry_s_environment() -> None:
    parameters = Parameters("s3", {"RegionEndpoint": "x", "FORCEPATHSTYLE": "true", "Credentials": {"A": 1}})
    assert parameters.text("regionendpoint") == "x"
    assert parameters.flag("forcepathstyle") is True
    assert parameters.table("credentials") == {"A": 1}


def test_a_name_that_nobody_knows_is_passed_over() -> None:
    assert of(chunksize=5, bucket="b").needed("bucket", "a hint") == "b"


@pytest.mark.parametrize("value", ["", None])
def test_what_is_needed_must_be_there(value: object) -> None:
    for parameters in (of(bucket=value), of()):
        with pytest.raises(UsageError) as caught:
            parameters.needed("bucket", "a hint")
        assert (caught.value.message, caught.value.hint) == ("s3: bucket is missing", "a hint")


@pytest.mark.parametrize("value", [True, "true", "True", "TRUE", "yes", "on", "1", 1])
def test_what_yaml_and_people_take_for_yes_is_true(value: object) -> None:
    assert of(secure=value).flag("secure") is True


@pytest.mark.parametrize("value", [False, "false", "False", "no", "off", "0", 0])
def test_what_yaml_and_people_take_for_no_is_false(value: object) -> None:
    assert of(secure=value).flag("secure") is False


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_flag_is_none_given(value: object) -> None:
    assert of(secure=value).flag("secure") is None


@pytest.mark.parametrize("value", ["maybe", "2", 2, "tru", "-", 1.5, "secret"])
def test_any_other_flag_is_refused_without_repeating_it(value: object) -> None:
    with pytest.raises(UsageError) as caught:
        of(secure=value).flag("secure")
    assert caught.value.message == "s3: secure is neither true nor false"


@pytest.mark.parametrize("value", ["text", ["a"], 5, True, ""])
def test_what_is_no_map_is_refused_as_one(value: object) -> None:
    with pytest.raises(UsageError, match="s3: credentials is no map"):
        of(credentials=value).table("credentials")
