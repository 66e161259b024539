"""The configuration: where it is found, what it says of a model, how it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcuplan.budget.config import Config, ConfigError, load_config, nearest_config, rules_for


def config(folder: Path, text: str, name: str = "mcuplan.toml") -> Config:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return load_config(folder / name)


def test_the_nearest_file_counts_alone(tmp_path: Path) -> None:
    config(tmp_path, 'ram = "100kB"\nmacs = "1M"')
    config(tmp_path / "near", "[tool.mcuplan]\nram = '50kB'", "pyproject.toml")
    (tmp_path / "near" / "below").mkdir()
    found = nearest_config(tmp_path / "near" / "below")
    assert found is not None
    assert found.path == tmp_path / "near" / "pyproject.toml"
    assert (found.settings.ram, found.settings.macs) == (50_000, None)
    above = nearest_config(tmp_path)
    assert above is not None
    assert above.settings.macs == 1_000_000


def test_mcuplan_toml_goes_before_pyproject(tmp_path: Path) -> None:
    config(tmp_path, "[tool.mcuplan]\nram = 1", "pyproject.toml")
    config(tmp_path, "ram = 2")
    found = nearest_config(tmp_path)
    assert found is not None
    assert found.settings.ram == 2


@pytest.mark.parametrize("text", ["[project]\nname = 'x'", "not = [toml", "[tool.mcuplans]\nram = 1"])
def test_a_pyproject_that_says_nothing_of_mcuplan_is_passed(tmp_path: Path, text: str) -> None:
    config(tmp_path, "ram = 7")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "pyproject.toml").write_text(text)
    found = nearest_config(tmp_path / "inner")
    assert found is not None
    assert found.settings.ram == 7


def test_later_sections_override_earlier_ones_key_by_key(tmp_path: Path) -> None:
    found = config(
        tmp_path,
        """
        boards = ["sparkfun-edge"]
        ram = "100kB"
        stack = "2KiB"

        [[models]]
        files = ["wake/*.tflite"]
        ram = "50kB"
        macs = "1M"

        [[models]]
        files = ["wake/tiny_*.tflite"]
        ram = "10kB"
        boards = ["teensy-4-1", "my/board.toml"]
        """,
    )
    tiny = rules_for(found, str(tmp_path / "wake" / "tiny_yes.tflite"))
    assert (tiny.ram, tiny.macs, tiny.stack) == (10_000, 1_000_000, 2_048)
    assert tiny.boards == ["teensy-4-1", "my/board.toml"]
    other = rules_for(found, str(tmp_path / "other.tflite"))
    assert (other.ram, other.macs, other.boards) == (100_000, None, ["sparkfun-edge"])


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*.tflite", "deep/down/a.tflite", True),
        ("a.tflite", "deep/a.tflite", True),
        ("models/*.tflite", "models/a.tflite", True),
        ("./models/*.tflite", "models/a.tflite", True),
        ("models/*.tflite", "models/deep/a.tflite", False),
        ("models/**/*.tflite", "models/deep/er/a.tflite", True),
        ("models/**/*.tflite", "models/a.tflite", True),
        ("models/**", "models/deep/a.tflite", True),
        ("models\\*.tflite", "models/a.tflite", True),
        ("[ab].tflite", "b.tflite", True),
        ("[!ab].tflite", "b.tflite", False),
        ("?.tflite", "ab.tflite", False),
        ("a+(1).tflite", "a+(1).tflite", True),
        ("[].tflite", "[].tflite", True),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, name: str, matches: bool) -> None:
    found = config(tmp_path, f"[[models]]\nfiles = ['{pattern}']\nmacs = 5")
    assert (rules_for(found, str(tmp_path / name)).macs == 5) is matches


def test_zoo_models_match_by_name(tmp_path: Path) -> None:
    found = config(tmp_path, "[[models]]\nfiles = ['zoo:*']\nmacs = 5")
    assert rules_for(found, "zoo:sine").macs == 5
    assert rules_for(found, str(tmp_path / "sine.tflite")).macs is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rum = 1", "unknown key 'rum'; did you mean 'ram'?"),
        ("zzz = 1", "unknown key 'zzz'; known keys are boards, ram"),
        ("[[models]]\nfiles=['a']\nflahs = 1", "unknown key 'models[0].flahs'; did you mean 'flash'?"),
        ("[[models]]\nram = 1", "key 'models[0].files' is missing"),
        ("[[models]]\nfiles = []", "key 'models[0].files'"),
        ("[[models]]\nfiles = ['[z-a]']", "'[z-a]' is not a pattern"),
        ("reserve = {firmwar = 'x'}", "unknown key 'reserve.firmwar'; did you mean 'firmware'?"),
        ("reserve = {firmware = 'x', ram = 1}", "either 'firmware' or the figures"),
        ("ram = '64KB'", "key 'ram': '64KB' is ambiguous"),
        ("ram = 0", "key 'ram'"),
        ("ram = true", "key 'ram': True is not a size"),
        ("ram = 1.5", "key 'ram': 1.5 is not a size"),
        ("boards = 'one'", "key 'boards'"),
        ("[[shared]]\nname='n'\nboard='b'\nmodels=['m']\narenas='most'", "key 'shared[0].arenas'"),
        ("ram = ", "not valid TOML"),
        ("a = " + "[" * 5_000, "not valid TOML"),
    ],
)
def test_errors_name_the_file_and_the_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rules_for(config(tmp_path, text), "a.tflite")
    assert str(caught.value).startswith(str(tmp_path / "mcuplan.toml"))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_named_file_must_be_there_and_configure_mcuplan(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="has no"):
        config(tmp_path, "[project]\nname = 'x'", "pyproject.toml")
    with pytest.raises(ConfigError, match="must be a table"):
        config(tmp_path, "tool = {mcuplan = 3}", "pyproject.toml")


def test_windows_separators_and_line_ends(tmp_path: Path) -> None:
    found = config(tmp_path, "baseline = 'ci\\base.json'\r\nram = 5\r\n")
    assert found.settings.baseline is not None
    assert found.at(found.settings.baseline) == tmp_path / "ci" / "base.json"
    assert found.settings.ram == 5
