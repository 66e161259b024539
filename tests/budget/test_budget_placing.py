"""Where an arena goes on boards with more than one RAM."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import mcuplan
from mcuplan.boards import BoardError, all_boards, load_board
from mcuplan.boards.places import find_place, ram_places
from mcuplan.budget import analyse, limits_on_board
from mcuplan.budget.limits import Asked
from mcuplan.budget.placing import placed, placing_sentences, where_it_fits
from mcuplan.errors import McuplanError
from mcuplan.graph import Graph
from mcuplan.tflm import Target, predict
from mcuplan.tflm.arena import predict_shared, predict_split
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

PORTENTA = load_board("arduino-portenta-h7")
TARGET = Target.parse(PORTENTA.target)


def of_bytes(side: int, columns: int = 0) -> Graph:
    """A network whose planned section is two tensors of side x columns x 8 bytes; as many columns as rows."""
    b = Builder(precision="int8", seed=1)
    x = b.input((1, side, columns or side, 8), low=-1.0, high=1.0)
    return b.graph([b.relu(b.relu(x))])


def sentences(graph: Graph, board: str = "arduino-portenta-h7") -> list[str]:
    found = load_board(board)
    analysis = analyse(graph, Target.parse(found.target))
    return list(placing_sentences(analysis, found, analysis.need(), limits_on_board(found, Asked())))


# -- places --------------------------------------------------------------------------------------------------------


def test_places_of_every_board_have_keys_of_their_own_and_one_is_main() -> None:
    for board in all_boards():
        places = ram_places(board)
        assert len({place.key for place in places}) == len(places)
        assert [place.main for place in places] == [True] + [False] * (len(places) - 1)
        assert places[0].bytes == board.arena_ram_bytes
        for place in places:
            assert find_place(board, place.key) == place
            assert find_place(board, place.key.upper()) == place


def test_places_by_key_kind_and_name() -> None:
    assert [find_place(PORTENTA, word).key for word in ("dtcm", "tcm", "AXI", "axi sram", "internal", "SDRAM")] == [
        "dtcm", "dtcm", "axi", "axi", "axi", "sdram",
    ]  # fmt: skip
    with pytest.raises(BoardError, match=r"no one place of its RAM is called 'psram' \(it has axi, dtcm, sdram\)"):
        find_place(PORTENTA, "psram")
    with pytest.raises(BoardError, match="no one place"):
        find_place(PORTENTA, "")


# -- two arenas ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sine", "person-detection", "resnet8"])
def test_two_arenas_have_their_own_allocator_s_objects(name: str) -> None:
    """16 + 32 bytes of two allocators in place of 36; padding behind them may take that up, or move by less than 16."""
    graph = build(name)
    one, two = predict(graph), predict_split([graph])
    assert two.nonpersistent_bytes == one.nonpersistent_bytes
    assert 0 <= two.persistent_bytes - one.persistent_bytes <= 12 + 16
    assert two.used_bytes == two.persistent_bytes + two.nonpersistent_bytes
    assert two.persistent_declare_bytes % 16 == two.nonpersistent_declare_bytes % 16 == 0
    assert one.declare_bytes <= two.persistent_declare_bytes + two.nonpersistent_declare_bytes


def test_two_arenas_of_several_models() -> None:
    both = [build("person-detection"), build("resnet8")]
    one, two = predict_shared(both), predict_split(both)
    assert two.nonpersistent_bytes == one.nonpersistent_bytes
    assert 0 <= two.persistent_bytes - one.persistent_bytes <= 12 + 16
    with pytest.raises(ValueError, match="no model"):
        predict_split([])


# -- what fits where -----------------------------------------------------------------------------------------------


def test_where_small_and_large_models_fit() -> None:
    small = sentences(of_bytes(32))
    assert small == [
        "the arena also fits 131.1 kB of DTCM, 8.39 MB of external SDRAM, slower",
    ]
    large = sentences(of_bytes(256))
    assert large == [
        "the arena does not fit 523.6 kB of internal RAM (AXI SRAM); fits 8.39 MB of external SDRAM, slower: "
        "--arena-in sdram",
    ]
    assert sentences(of_bytes(1024)) == []  # 16.8 MB fit nowhere
    assert sentences(of_bytes(256), "sparkfun-edge") == []  # one place


def test_a_model_that_fits_in_two() -> None:
    """Planned 519,168 bytes; interpreter, resolver and stack leave 519,272 of 523,624, too few for 528 more."""
    graph = of_bytes(1, 32_448)
    analysis = analyse(graph, TARGET)
    limits = limits_on_board(PORTENTA, Asked())
    assert analysis.need().ram.total_bytes > limits.ram.amount > analysis.arena.nonpersistent_bytes + 4_352
    fits = where_it_fits(analysis, PORTENTA, analysis.need(), limits)
    assert [place.key for place in fits.whole] == ["sdram"]
    assert ("dtcm", "axi") in [(a.key, b.key) for a, b in fits.in_two]
    assert any("--persistent-in dtcm --arena-in axi" in said for said in sentences(graph))


def test_what_a_choice_changes() -> None:
    analysis = analyse(of_bytes(256), TARGET)
    need, limits = analysis.need(), limits_on_board(PORTENTA, Asked())
    same = placed(analysis, need, limits, PORTENTA, None, None)
    assert same == (need, limits)
    moved, held = placed(analysis, need, limits, PORTENTA, "sdram", None)
    assert moved.ram.elsewhere_bytes == moved.ram.arena_bytes == analysis.arena.declare_bytes
    assert moved.ram.total_bytes == need.ram.total_bytes - analysis.arena.declare_bytes
    assert held.arena is not None
    assert held.arena.amount == 8_388_608
    tight, held = placed(analysis, need, limits, PORTENTA, "dtcm", None)
    assert held.arena is not None
    assert not held.arena.allows(tight.ram.arena_bytes)
    assert tight.ram.arena_bytes - held.arena.amount == analysis.arena.declare_bytes - 131_072
    with pytest.raises(McuplanError, match="name one"):
        placed(analysis, need, limits, None, "sdram", None)


def test_the_shared_case() -> None:
    shared = os.environ.get("MCUPLAN_SHARED")
    if not shared:
        pytest.skip("MCUPLAN_SHARED names no folder of shared cases")
    model = Path(shared) / "cases" / "field" / "arena_in_psram.tflite"
    board = "seeed-xiao-esp32s3-sense"
    failed = mcuplan.check(model, board=board)
    assert failed.verdict == "fail"
    assert any(
        "does not fit 341.8 kB of internal RAM" in said
        and "8.39 MB of external PSRAM, slower: --arena-in psram" in said
        for said in failed.result.room
    )
    assert mcuplan.check(model, board=board, arena_in="psram").ok
    assert mcuplan.check(model, board=board, arena_in="psram", persistent_in="sram1").ok


def test_a_configuration_chooses(tmp_path: Path) -> None:
    from mcuplan.tflite import write

    (tmp_path / "net.tflite").write_bytes(write(of_bytes(256)))
    config = tmp_path / "mcuplan.toml"
    config.write_text('boards = ["arduino-portenta-h7"]\narena_in = "sdram"\n')
    assert mcuplan.check(tmp_path / "net.tflite", config=config).ok
    assert not mcuplan.check(tmp_path / "net.tflite", config=config, arena_in="dtcm").ok
