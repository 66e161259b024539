"""The entry in which a planned model says what it was planned for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcuplan.rewriting.edit import set_metadata
from mcuplan.rewriting.origin import METADATA_NAME, PlanOrigin, plan_origin, set_plan_origin, without_plan_origin
from mcuplan.tflite import read, write
from mcuplan.zoo import build

ORIGIN = PlanOrigin(("cortex-m4+cmsis-nn",), "0.1.0", "ab" * 32)


def test_the_entry_stands_in_the_file_as_json() -> None:
    planned = set_plan_origin(build("sine"), ORIGIN)
    entry = f'{{"mcuplan":"0.1.0","model_sha256":"{"ab" * 32}","targets":["cortex-m4+cmsis-nn"]}}'
    assert planned.metadata_data("mcuplan.plan") == entry.encode()
    assert entry.encode() in write(planned)


def test_it_comes_back_from_the_file_whose_bytes_stay() -> None:
    data = write(set_plan_origin(build("sine"), ORIGIN))
    graph = read(data)
    assert plan_origin(graph) == ORIGIN
    assert write(graph) == data
    assert plan_origin(build("sine")) is None


def test_setting_it_again_replaces_it_and_it_can_be_taken_out() -> None:
    graph = build("sine")
    twice = set_plan_origin(set_plan_origin(graph, ORIGIN), PlanOrigin(("esp32+esp-nn", "a"), "0.2.0", "0" * 64))
    assert [entry.name for entry in twice.metadata].count(METADATA_NAME) == 1
    assert plan_origin(twice) == PlanOrigin(("esp32+esp-nn", "a"), "0.2.0", "0" * 64)
    assert plan_origin(without_plan_origin(twice)) is None
    assert without_plan_origin(graph) is graph


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"3", b"null", b'"x"', b"\xff\xfe", b"[" * 3000, b'{"targets":["a"],"mcuplan":"1"}',
        b'{"targets":"","mcuplan":"1","model_sha256":"' + b"0" * 64 + b'"}',
        b'{"targets":[1],"mcuplan":"1","model_sha256":"' + b"0" * 64 + b'"}',
        b'{"targets":null,"mcuplan":"1","model_sha256":"' + b"0" * 64 + b'"}',
        b'{"targets":["a"],"mcuplan":[],"model_sha256":"' + b"0" * 64 + b'"}',
        b'{"targets":["a"],"mcuplan":"1","model_sha256":"../../etc"}',
        b'{"targets":["' + b"a" * 5000 + b'"],"mcuplan":"1","model_sha256":"' + b"0" * 64 + b'"}',
    ],
)  # fmt: skip
def test_an_entry_that_is_none_says_nothing(data: bytes) -> None:
    assert plan_origin(set_metadata(build("sine"), METADATA_NAME, data)) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_an_entry_or_nothing(data: bytes) -> None:
    assert plan_origin(set_metadata(build("sine"), METADATA_NAME, data)) is None
