"""What both command lines share: common options, environment variables, and running a command."""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from blurkit.errors import USAGE, guard
from blurkit.program.signals import handling_signals

PATH = click.Path(path_type=Path)

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace files that this program did not make.")
_LAYOUT = (
    click.option(
        "--blurred",
        default="",
        show_default=False,
        metavar="DIR",
        help="The blurred images of the pairs: a folder, or the name of folders at any depth. With --sharp.",
    ),
    click.option("--sharp", default="", show_default=False, metavar="DIR", help="Their sharp partners. With --blurred."),
    click.option("--side-by-side", is_flag=True, help="Each image holds a pair: blurred at the left, sharp at the right."),
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress.")


def layout_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options that say how pairs lie in a folder: ``blurred``, ``sharp`` and ``side_by_side``."""
    return functools.reduce(lambda decorated, option: option(decorated), reversed(_LAYOUT), command)


def settings_option(text: str) -> Callable[[Any], Any]:
    """Returns the option ``--set``. ``text`` is its help text."""
    return click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=text)


def run_program(program: str, group: click.Group) -> int:
    """Run a command of ``group`` with the arguments of this process. Returns the exit code, see :mod:`blurkit.errors`."""
    if sys.platform == "win32":
        print(f"{program}: Windows is not supported; use Linux, macOS, or WSL", file=sys.stderr)
        return USAGE
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name may hold bytes that the terminal cannot show

    def run() -> int:
        try:
            with handling_signals(program):
                return int(group(prog_name=program, standalone_mode=False) or 0)
        except click.exceptions.Abort as abort:  # click's word for KeyboardInterrupt and EOFError
            raise abort.__cause__ or abort from None
        except click.ClickException as error:
            error.show()
            return error.exit_code

    return guard(program, run)


def name_variables(group: click.Group, prefix: str) -> None:
    """Give every option an environment variable: ``--per-image`` of generate becomes BLURKIT_GENERATE_PER_IMAGE."""
    for name, command in group.commands.items():
        for option in command.params:
            if isinstance(option, click.Option):
                flag = max(option.opts, key=len).lstrip("-")
                option.envvar = f"{prefix}_{name}_{flag}".replace("-", "_").upper()
