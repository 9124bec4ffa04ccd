import pytest

from regsweep.report.colour import Colour, paint, plain, width


@pytest.mark.parametrize("colour", list(Colour))
def test_a_painted_text_is_as_wide_as_it_was_and_can_be_had_back(colour: Colour) -> None:
    painted = paint("1.0 kB", colour)
    assert painted.startswith("\x1b[")
    assert painted.endswith("\x1b[0m")
    assert plain(f"a  {painted}  b") == "a  1.0 kB  b"
    assert width(painted) == len("1.0 kB")


def test_nothing_is_painted_where_there_is_nothing() -> None:
    assert paint("", Colour.BAD) == ""
