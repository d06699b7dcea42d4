import argparse

import pytest

from deephar import cli


def test_mistakes_and_interrupts_become_a_line_and_a_status(capsys):
    def failing(error):
        @cli.reporting_errors
        def main(argv=None):
            raise error

        return main()

    assert failing(FileNotFoundError("no\n  such file")) == 2
    assert capsys.readouterr().err == "error: no such file\n"
    assert failing(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "interrupted\n"
    with pytest.raises(TypeError):  # a mistake of ours keeps its traceback
        failing(TypeError("bug"))


def test_shares_are_read_and_explained():
    assert cli.parse_shares("mpii=16,lsp=8") == {"mpii": 16, "lsp": 8}
    with pytest.raises(argparse.ArgumentTypeError, match="mpii=16,lsp=8"):
        cli.parse_shares("mpii:16")
