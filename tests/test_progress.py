"""The progress bar of long work."""

from deephar.progress import ProgressBar


def pretend_to_be_a_terminal(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)


def test_a_bar_counts_up_to_its_total(capsys, monkeypatch):
    pretend_to_be_a_terminal(monkeypatch)
    bar = ProgressBar(3, "frame")
    for done in (1, 2, 3, 4):  # one more than announced
        bar.update(done)
    shown = capsys.readouterr().out
    assert "s/frame" in shown
    assert shown.count("3/3") == 1
    assert shown.endswith("\n")


def test_a_bar_without_a_total_counts(capsys, monkeypatch):
    pretend_to_be_a_terminal(monkeypatch)
    bar = ProgressBar(None, "frame")
    bar.update(7)
    assert "7/Unknown" in capsys.readouterr().out


def test_a_bar_can_be_left_out(capsys, monkeypatch):
    pretend_to_be_a_terminal(monkeypatch)
    ProgressBar(1, "frame", shown=False).update(1)
    assert capsys.readouterr().out == ""


def test_no_bar_is_written_to_a_file(capsys):
    ProgressBar(1, "frame").update(1)
    assert capsys.readouterr().out == ""
