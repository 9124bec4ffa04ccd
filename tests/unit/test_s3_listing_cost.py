"""The quick reader of pages is quick, whatever the page."""

import time
from typing import Final

import pytest

from regsweep_backends._s3_listing import parse
from tests.unit.s3_pages import AWS, BODY, CONTENTS, KEY, Entry, by_botocore, told

HOSTILE: Final = {
    "billions of laughs": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "laughs">'
    + b"".join(b'<!ENTITY l%d "%b">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 12))
    + b"]>"
    + BODY[BODY.index(b"<ListBucketResult") :].replace(b"<Key>", b"<Key>&l11;"),
    "a file of the server's": b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>'
    + BODY[BODY.index(b"<ListBucketResult") :].replace(b"<Key>", b"<Key>&f;"),
    "many of one field": BODY.replace(b"<Size>", b"<A>" * 30 + b"</A>" * 30 + b"<Size>").replace(
        b"<Contents>", b"<Contents>" + b"<A>x</A>" * 30
    ),
    "many of one field, in some more": BODY.replace(CONTENTS, CONTENTS.replace(b"<Size>", b"<A>x</A>" * 20 + b"<Size>"))
    .replace(b"</Key>", b"</Key>" + b"<A>x</A>" * 40, 2)
    .replace(b"</Key>", b"</Key>" + b"<A>x</A>" * 20, 1),
    "fields that never end": BODY.replace(b"<Contents>", b"<Contents>" + b"<a>" * 40_000, 1),
    "fields that never end around": BODY.replace(b"<Name>", b"<a>" * 100_000 + b"<Name>", 1),
    "attributes that never end": BODY.replace(b"<Name>", b"<Name " + b"a='b' " * 100_000, 1),
    "spaces": BODY.replace(b"<Key>", b" " * 100_000 + b"x<Key>", 1),
    "spaces everywhere": BODY.replace(b"><", b">" + b" " * 3_000 + b"<").replace(b"</Contents>", b"x</Contents>"),
    "ampersands": BODY.replace(b"<Key>", b"<Key>" + b"&" * 100_000, 1),
    "the objects' beginning": BODY.replace(b"<Contents>", b"<Contents>" * 50_000, 1),
    "the objects' end": BODY.replace(b"</Contents>", b"</Contents>" * 50_000, 1),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_page_that_is_meant_to_cost_much_costs_nothing(body: bytes) -> None:
    began = time.process_time()
    found = parse(body)
    assert time.process_time() - began < 2
    assert found is None or told(found) == by_botocore(body)


def test_a_thousand_objects_are_read_in_a_small_part_of_botocore_s_time() -> None:
    body = AWS.page([Entry(f"{KEY}{number}") for number in range(1000)])
    assert parse(body)
    times = []
    for reader in (parse, by_botocore):
        began = time.process_time()
        for _ in range(3):
            assert reader(body)
        times.append(time.process_time() - began)
    assert times[0] < times[1] / 5
