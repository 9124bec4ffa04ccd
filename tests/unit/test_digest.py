import pytest

from regsweep.errors import MalformedError
from regsweep.registry.digest import HEX_LENGTHS, Digest

DIGITS = "0123456789abcdef" * 8


@pytest.mark.parametrize(("algorithm", "length"), [("sha256", 64), ("sha384", 96), ("sha512", 128)])
def test_a_digest_is_read_and_written_back(algorithm: str, length: int) -> None:
    text = f"{algorithm}:{DIGITS[:length]}"
    digest = Digest.parse(text)
    assert (digest.algorithm, digest.hex, str(digest)) == (algorithm, DIGITS[:length], text)
    assert digest.raw == bytes.fromhex(DIGITS[:length])


def test_the_length_of_the_bytes_alone_names_the_algorithm() -> None:
    assert len(set(HEX_LENGTHS.values())) == len(HEX_LENGTHS)
    for algorithm, length in HEX_LENGTHS.items():
        assert Digest(bytes(length // 2)).algorithm == algorithm


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256:",
        DIGITS[:64],
        f"sha256:{DIGITS[:63]}",
        f"sha256:{DIGITS[:65]}",
        f"sha256:{DIGITS[:128]}",
        f"sha512:{DIGITS[:64]}",
        f"sha256:{DIGITS[:64].upper()}",
        f"SHA256:{DIGITS[:64]}",
        f"sha256:{DIGITS[:64]}\n",
        f"\nsha256:{DIGITS[:64]}",
        f" sha256:{DIGITS[:64]}",
        f"sha256: {DIGITS[:63]}",
        f"sha256:{DIGITS[:63]}g",
        "sha256:" + "\u0661" * 64,
        "sha256:" + "\uff11" * 64,
        f"sha256/{DIGITS[:64]}",
        f"sha256:{DIGITS[:62]}/.",
        f"sha1:{DIGITS[:40]}",
        f"blake3:{DIGITS[:64]}",
        f"sha256:{DIGITS[:64]}@sha256:{DIGITS[:64]}",
        "../" * 30,
    ],
)
def test_what_is_no_digest_of_a_registered_algorithm_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Digest.parse(text)
    assert caught.value.message.isprintable()


def test_a_long_text_that_is_no_digest_is_not_repeated_in_full() -> None:
    with pytest.raises(MalformedError) as caught:
        Digest.parse("x" * 100_000)
    assert len(caught.value.message) < 200


def test_digests_are_equal_by_value_and_ordered_as_their_digits_are() -> None:
    low, high = (Digest.parse(f"sha256:{digit * 64}") for digit in "1f")
    assert low < high
    assert {low, Digest(low.raw)} == {low}
