"""Bad board files: one sentence that names the file, the key and what is allowed; nothing else ever escapes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcuplan.boards import BoardError, specs_folder
from mcuplan.boards.reading import read_board

TEXT = (specs_folder() / "arduino-nano-33-ble-sense.toml").read_text(encoding="utf-8")


@pytest.fixture
def refused(tmp_path):
    """The message for the Nano 33 BLE Sense's spec with ``old`` replaced by ``new`` once."""

    def message(old: str, new: str) -> str:
        assert old in TEXT
        path = tmp_path / "mine.toml"
        path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(BoardError) as caught:
            read_board(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert str(caught.value).isprintable()
        return str(caught.value).removeprefix(f"{path}: ")

    return message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('maker = "Arduino"', "", "maker is missing"),
        (
            "clock_mhz = 64",
            "clokc_mhz = 64",
            "soc.clock_mhz is missing; soc.clokc_mhz is not a key of a board spec (did you mean 'clock_mhz'?)",
        ),
        ("[soc]", "[sock]", "soc is missing; sock is not a key of a board spec (did you mean 'soc'?)"),
        (
            "[price]\n",
            "[price]\nzzz = 1\n",
            "price.zzz is not a key of a board spec (allowed: amount, currency, source, year)",
        ),
        (
            "[parts.price]\namount",
            "[parts.price]\namuont",
            "parts[7].price.amount is missing; "
            "parts[7].price.amuont is not a key of a board spec (did you mean 'amount'?)",
        ),
        (
            'kind = "sram"',
            'kind = "srm"',
            "memory.regions[0].kind is 'srm', but must be 'sram', 'tcm', 'psram', 'sdram', 'flash', 'mram' or 'rom'",
        ),
        (
            "arena_ram_bytes = 262_144",
            'arena_ram_bytes = "256 kB"',
            "memory.arena_ram_bytes is '256 kB', but must be a whole number",
        ),
        (
            "arena_ram_bytes = 262_144",
            "arena_ram_bytes = 262144.0",
            "memory.arena_ram_bytes is 262144.0, but must be a whole number",
        ),
        (
            "arena_ram_bytes = 262_144",
            "arena_ram_bytes = 0",
            "memory.arena_ram_bytes is 0, but must be greater than or equal to 1",
        ),
        (
            "arena_ram_bytes = 262_144",
            "arena_ram_bytes = 300_000",
            "memory.arena_ram_bytes is 300,000, but the longest run of touching regions with arena = true has 262,144",
        ),
        (
            "arena_ram_bytes = 262_144",
            "arena_ram_bytes = 200_000",
            "memory.arena_ram_bytes is 200,000 of a run of 262,144: say why in memory.note",
        ),
        ("arena = true", "arena = false", "memory.regions has no region with arena = true, so no arena fits"),
        ("start = 0x2000_0000", "start = 0x1000", "memory.regions 'flash' and 'RAM' overlap at 0x1000"),
        ("power_w = 0.001", "", "parts[0].power_w is missing"),
        ("power_w = 0.001", 'power_w = "lots"', "parts[0].power_w is 'lots', but must be a number or 'unknown'"),
        ("power_w = 0.001", "power_w = nan", "parts[0].power_w is nan, but must be a finite number or 'unknown'"),
        ("fpu = true", "fpu = 1", "soc.fpu is 1, but must be true or false"),
        ("fpu = true", "fpu = true\nmve = true", "soc.mve = true does not go with soc.core 'cortex-m4'"),
        (
            "cortex-m4+cmsis-nn",
            "cortex-m4+cmsisnn",
            "tflm.targets.arduino: unknown target: no kernel library 'cmsisnn' (did you mean 'cmsis-nn'?)",
        ),
        (
            "arduino-2023-02/cortex-m4+cmsis-nn",
            "cortex m4",
            "tflm.targets.arduino is 'cortex m4', but must be a target of `mcuplan targets`",
        ),
        (
            "arduino-2023-02/cortex-m4",
            "arduino-1999-02/cortex-m4",
            "tflm.targets.arduino: arduino-1999-02 is older than arduino-2023-02, the oldest that mcuplan knows of its",
        ),
        (
            "cortex-m4+cmsis-nn",
            "cortex-m7+cmsis-nn",
            "the target 'arduino-2023-02/cortex-m7+cmsis-nn' is not for soc.core 'cortex-m4'",
        ),
        (
            "cortex-m4+cmsis-nn",
            "cortex-m4+esp-nn",
            "target 'arduino-2023-02/cortex-m4+esp-nn': esp-nn kernels are not made for cortex-m4",
        ),
        ('currency = "EUR"', 'currency = "euro"', "price.currency is 'euro', but must be a currency of three capitals"),
        ("[tflm.targets]", "[tflm.goals]", "tflm.goals is not a key of a board spec"),
        ("platformio = ", '"" = ', "tflm.targets"),
        ('maker = "Arduino"', 'maker = "\\u001b[31m"', "maker is '\\x1b[31m', but must be one line of text without"),
        ('source = "lecture"', 'source = "lectur"', "price.source names 'lectur', but sources has lecture, datasheet,"),
        ('id = "lecture"', 'id = "datasheet"', "two entries of sources have the same id"),
        ("[[sources]]", '[[sources]]\nid = "spare"\ntitle = "t"\n\n[[sources]]', "no figure names the source 'spare'"),
        ("flash_bytes = 65_536", "flash_bytes = 1_048_576", "reserved.flash_bytes is 1,048,576, which leaves nothing"),
        ("supply_v = 3.3\nsource", "supply_v = 3.3\n#source", "power.supply_v needs power.source"),
        ("aliases = [", 'aliases = "x" #', "aliases is 'x', but must be a list"),
        ("[price]", "[[price]]", "price is a list of 1, but must be a table"),
        ("[soc]", "[soc", "not TOML: Expected ']' at the end of a table declaration (at line 7, column 5)"),
        (
            'maker = "Arduino"',
            'maker = "Arduino"\nq = 1\nw = 1\ne = 1\nr = 1\nt = 1',
            "; and 1 more",
        ),
    ],
)
def test_bad_specs_are_refused_in_one_sentence(refused, old, new, said):
    assert said in refused(old, new)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "id is missing; name is missing; maker is missing; soc is missing; and 3 more"),
        (b"\xff\xfe\x00", "not a board spec: not UTF-8 text"),
        (b"#" * 300_000, "cannot read the board file: it is larger than 256 KiB"),
        (b"a = " + b"[" * 100_000, "not a board spec: nested too deeply"),
        (b"\x00", "not TOML"),
    ],
)
def test_files_that_are_no_specs(tmp_path, content, said):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(BoardError) as caught:
        read_board(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_a_byte_order_mark_is_read_over(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert read_board(path).id == "arduino-nano-33-ble-sense"


def read_or_refused(path):
    """The board, or the message."""
    try:
        return read_board(path)
    except BoardError as error:
        return str(error)


VALUES = st.sampled_from([
    "0", "-1", "1e400", "nan", "inf", "9" * 32, "0x20000000", "true", '""', '"x"', '"lecture"', '"\\u0000"',
    '"\\u2028"', "[]", "[[1]]", "{a = 1}", "1979-05-27", "07:32:00",
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(line=st.integers(0, TEXT.count("\n")), value=VALUES, drop=st.booleans())
def test_any_changed_line_is_read_or_refused_in_one_sentence(tmp_path_factory, line, value, drop):
    lines = TEXT.split("\n")
    key, equals, _ = lines[line].partition(" = ")
    lines[line] = "" if drop or not equals else f"{key} = {value}"
    path = tmp_path_factory.mktemp("changed", numbered=True) / "mine.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    board = read_or_refused(path)
    if isinstance(board, str):
        assert board.isprintable()
        assert board.startswith(f"{path}: ")
    else:
        assert board.arena_ram_bytes <= board.ram_bytes


@settings(max_examples=200, deadline=None)
@given(cut=st.integers(0, len(TEXT)), noise=st.binary(max_size=8))
def test_truncated_and_noisy_files_never_raise_anything_else(tmp_path_factory, cut, noise):
    path = tmp_path_factory.mktemp("cut", numbered=True) / "mine.toml"
    path.write_bytes(TEXT.encode()[:cut] + noise)
    board = read_or_refused(path)
    assert not isinstance(board, str) or board.isprintable()
