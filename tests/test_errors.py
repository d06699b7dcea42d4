"""A user's mistake as one line."""

import subprocess
import sys
import warnings

import pytest

from deephar.errors import reporting_errors


def test_mistakes_and_interrupts_become_a_line_and_a_status(capsys):
    def failing(error):
        @reporting_errors
        def main(argv=None):
            raise error

        return main()

    assert failing(FileNotFoundError("no\n  such file")) == 2
    assert capsys.readouterr().err == "error: no such file\n"
    assert failing(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "interrupted\n"
    with pytest.raises(TypeError):  # a mistake of ours keeps its traceback
        failing(TypeError("bug"))


def test_a_warning_to_the_user_is_one_line():
    @reporting_errors
    def main(argv=None):
        texts.append(warnings.formatwarning("no action", UserWarning, "code.py", 3))
        texts.append(warnings.formatwarning("old", DeprecationWarning, "code.py", 3))

    texts = []
    main()
    assert texts[0] == "warning: no action\n"
    assert "code.py:3" in texts[1]
    assert "code.py:3" in warnings.formatwarning("no action", UserWarning, "code.py", 3)


def test_an_interrupt_during_imports_is_one_line():
    code = (
        "import os, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "import deephar.cli.main; os.kill(os.getpid(), signal.SIGINT); input()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode in (-2, 130)
    assert result.stderr == "interrupted\n"
