from __future__ import annotations

import errno
import os

import pytest

from kenshin.experiments.spill import Spill


@pytest.fixture
def batch(seen):
    return lambda first, last: [seen(f"{number:04}", f"s-{number}") for number in range(first, last)]


def read_all(spill, limit=7):
    names = []
    while (chunk := spill.read(limit)) is not None:
        names.extend(each.observation_id for each in chunk.observations)
        assert spill.settle(chunk) == 0
    return names


def names_of(observations):
    return [each.observation_id for each in observations]


def test_what_is_spilled_comes_back_in_order_and_leaves_nothing(tmp_path, batch):
    spill = Spill(tmp_path / "spill", segment_bytes=2000)
    assert spill.append(batch(0, 20)) == 20
    assert spill.append(batch(20, 30)) == 10
    assert len(list(tmp_path.rglob("*.jsonl"))) > 3
    assert spill.pending == 30
    assert read_all(spill) == names_of(batch(0, 30))
    assert spill.pending == 0
    assert spill.append(batch(30, 31)) == 1
    assert read_all(spill) == ["0030"]
    spill.close()
    assert list((tmp_path / "spill").iterdir()) == []


def test_spilling_goes_on_while_older_segments_are_read(tmp_path, batch):
    spill = Spill(tmp_path)
    spill.append(batch(0, 10))
    chunk = spill.read(4)
    spill.append(batch(10, 12))
    spill.settle(chunk)
    assert names_of(chunk.observations) + read_all(spill) == names_of(batch(0, 12))


def test_the_limit_holds_and_room_comes_back(tmp_path, batch):
    spill = Spill(tmp_path, segment_bytes=1000, limit_bytes=4000)
    taken = spill.append(batch(0, 100))
    assert 0 < taken < 100
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.jsonl")) <= 4000
    assert read_all(spill) == names_of(batch(0, taken))
    assert spill.append(batch(0, 3)) == 3


def test_a_full_disk_takes_a_part_and_leaves_no_torn_line(tmp_path, batch, monkeypatch):
    spill = Spill(tmp_path)
    spill.append(batch(0, 3))
    real = os.write

    def full(file, body):
        if len(body) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, bytes(body)[: len(body) - 99])

    monkeypatch.setattr(os, "write", full)
    assert spill.append(batch(3, 6)) == 0
    monkeypatch.undo()
    assert spill.append(batch(6, 8)) == 2
    assert spill.pending == 5
    assert read_all(spill) == ["0000", "0001", "0002", "0006", "0007"]


def test_a_folder_that_cannot_be_made_takes_nothing(tmp_path, batch):
    (tmp_path / "spill").write_text("a file is in its place")
    spill = Spill(tmp_path / "spill")
    assert spill.append(batch(0, 3)) == 0
    assert (spill.pending, spill.read(5), spill.adopt()) == (0, None, 0)


def test_a_living_process_keeps_its_segments_and_one_adopts_a_dead_ones(tmp_path, batch):
    owner, first, second = Spill(tmp_path), Spill(tmp_path), Spill(tmp_path)
    owner.append(batch(0, 5))
    first.append(batch(5, 6))
    assert first.adopt() == 0
    owner.close()
    assert (first.adopt(), second.adopt(), first.adopt()) == (5, 0, 0)
    assert sorted(read_all(first)) == names_of(batch(0, 6))
    first.close()
    assert list(tmp_path.iterdir()) == []


def test_who_dies_while_adopting_leaves_everything_to_the_next(tmp_path, batch):
    owner, first, second = Spill(tmp_path), Spill(tmp_path), Spill(tmp_path)
    owner.append(batch(0, 9))
    owner.close()
    first.adopt()
    first.settle(first.read(4))
    first.close()
    assert second.adopt() == 9
    assert read_all(second) == names_of(batch(0, 9))


def test_a_torn_tail_is_dropped_and_counted(tmp_path, batch):
    owner, next_one = Spill(tmp_path), Spill(tmp_path)
    owner.append(batch(0, 5))
    owner.close()
    (path,) = tmp_path.rglob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-10])
    assert next_one.adopt() == 4
    chunk = next_one.read(100)
    assert (len(chunk.observations), chunk.torn, chunk.broken, chunk.last) == (4, 1, 0, True)
    assert next_one.settle(chunk) == 0


def test_a_segment_that_somebody_removed_is_given_up(tmp_path, batch):
    spill = Spill(tmp_path)
    spill.append(batch(0, 5))
    for path in tmp_path.rglob("*.jsonl"):
        path.unlink()
    with pytest.raises(FileNotFoundError):
        spill.read(5)
    assert (spill.give_up(), spill.pending) == (5, 0)


def test_a_forked_child_leaves_the_parents_segments_and_lock_alone(tmp_path, batch):
    spill = Spill(tmp_path)
    spill.append(batch(0, 5))
    pid = os.fork()
    if pid == 0:
        try:
            spill.forget()
            fresh = spill.pending == 0 and spill.adopt() == 0 and spill.append(batch(5, 6)) == 1
            os._exit(0 if fresh else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert Spill(tmp_path).adopt() == 1  # the dead child's alone
    assert read_all(spill) == names_of(batch(0, 5))
