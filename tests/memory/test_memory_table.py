"""MiniMalloc's CSV format: by hand, bad files, round trips, and ``mcuplan allocate``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcuplan.cli import run
from mcuplan.memory import AllocationError, Buffer, Problem, Window, check, read_csv, solve, write_csv

# Three buffers, a and b at the same time, then b and c: 12 bytes at step 1, 10 at step 2.
SMALL = "id,lower,upper,size\na,0,2,4\nb,1,3,8\nc,2,4,2\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "problem.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_columns(tmp_path: Path) -> None:
    text = "buffer,start,upper,size,alignment,hint,gaps,offset\na,0,10,32,8,-1,2-4 6-8@16:32,-1\nb,0,10,8,1,5,,64\n"
    problem = read_csv(written(tmp_path, text), 128)
    windows = Window(0, 2, 0, 32), Window(2, 4, 0, 0), Window(4, 6, 0, 32), Window(6, 8, 16, 32), Window(8, 10, 0, 32)
    assert problem == Problem(
        (Buffer("a", 32, 0, 10, alignment=8, windows=windows), Buffer("b", 8, 0, 10, offset=64, hint=5)), 128
    )


def test_older_files_count_the_last_step_in(tmp_path: Path) -> None:
    (buffer,) = read_csv(written(tmp_path, "buffer_id,begin,end,size,gaps\na,0,9,4,3-4\n")).buffers
    assert (buffer.lower, buffer.upper) == (0, 10)
    assert buffer.pieces() == (Window(0, 3, 0, 4), Window(5, 10, 0, 4))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "no column 'id'"),
        ("id,lower,upper\n", "no column 'size'"),
        ("id,buffer,lower,upper,size\n", "two columns of one name"),
        ("id,lower,upper,size,\x1b[31m\n", "means nothing here"),
        ("id,lower,upper,size\na,0,1\n", "line 2 has 3 fields and not 4"),
        ("id,lower,upper,size\na,0,1,1e3\n", "line 2: size is '1e3', which is no whole number"),
        ("id,lower,upper,size\na,0,1,\n", "size is ''"),
        ("id,lower,upper,size\na,3,1,4\n", "ends at step 1, before it begins at step 3"),
        ("id,lower,upper,size\na,0,1,-4\n", "negative size"),
        ("id,lower,upper,size\na,0,1,4\na,0,1,4\n", "two buffers are called 'a'"),
        ("id,lower,upper,size,gaps\na,0,9,4,x\n", "'x' is no gap"),
        ("id,lower,upper,size,gaps\na,0,9,4,1-5 3-7\n", "gaps 1-5 and 3-7 overlap"),
        ("id,lower,upper,size,gaps\na,0,9,4,7-12\n", "outside the lifespan"),
        ("id,lower,upper,size,gaps\na,0,9,4,2-3@2:9\n", "outside its 4 bytes"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, wrong: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(AllocationError, match=r"problem\.csv") as error:
        read_csv(path)
    assert wrong in str(error.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "problem.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AllocationError, match="not UTF-8"):
        read_csv(path)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80) | st.text(alphabet='id,lowerupsz0123-@: \n"\r', max_size=80).map(str.encode))
def test_random_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("table") / "problem.csv"
    for start in (b"", b"id,lower,upper,size,gaps\n"):
        path.write_bytes(start + content)
        with suppress(AllocationError):
            problem = read_csv(path)
            assert check(problem, solve(problem, effort="fast").offsets) == ()


@st.composite
def buffers(draw: st.DrawFn, name: str) -> Buffer:
    lower = draw(st.integers(0, 20))
    upper = draw(st.integers(lower, 30))
    size = draw(st.integers(0, 64))
    alignment = draw(st.sampled_from([1, 4, 16]))
    hint = draw(st.none() | st.integers(0, 99))
    return Buffer(name, size, lower, upper, alignment, hint=hint)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 8).flatmap(lambda n: st.tuples(*(buffers(f"b,{i}") for i in range(n)))))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, drawn: tuple[Buffer, ...]) -> None:
    problem = Problem(drawn)
    solution = solve(problem)
    path = tmp_path_factory.mktemp("table") / "out.csv"
    write_csv(path, problem, solution.offsets)
    again = read_csv(path)
    assert {b.id: b.offset for b in again.buffers} == dict(solution.offsets)
    assert [(b.size, b.lower, b.upper, b.alignment, b.hint) for b in again.buffers] == [
        (b.size, b.lower, b.upper, b.alignment, b.hint) for b in drawn
    ]
    assert check(again, solve(again).offsets) == ()


def test_gaps_come_back(tmp_path: Path) -> None:
    path = written(tmp_path, "id,lower,upper,size,gaps\na,0,10,32,2-4 6-8@16:32\nb,2,4,32,\n")
    problem = read_csv(path)
    solution = solve(problem)
    assert solution.height == 32  # b runs while a rests
    write_csv(path, problem, solution.offsets)
    assert path.read_text() == "id,lower,upper,size,gaps,offset\na,0,10,32,2-4 6-8@16:32,0\nb,2,4,32,,0\n"


# -- the command --------------------------------------------------------------------------------------------------


def test_allocate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.csv"
    assert run(["allocate", str(written(tmp_path, SMALL)), "-o", str(out)]) == 0
    told = capsys.readouterr().out
    assert told.splitlines() == [
        "buffers       3", "height        12 bytes", "lower bound   12 bytes", "proof         meets the lower bound",
    ]  # fmt: skip
    placed = read_csv(out)
    assert check(placed, {b.id: b.offset or 0 for b in placed.buffers}) == ()


def test_capacity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = written(tmp_path, SMALL), tmp_path / "out.csv"
    assert run(["allocate", str(path), "--capacity", "12", "-o", str(out)]) == 0
    assert "12 bytes: met" in capsys.readouterr().out
    out.unlink()
    assert run(["allocate", str(path), "--capacity", "11", "-o", str(out)]) == 1
    assert "11 bytes: cannot be met" in capsys.readouterr().out
    assert not out.exists()


def test_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["allocate", str(tmp_path / "none.csv")]) == 2
    assert "none.csv: cannot be read" in capsys.readouterr().err
