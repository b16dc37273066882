# SPDX-License-Identifier: Apache-2.0
"""The command line: `viewcast COMMAND`, or `python -m viewcast COMMAND`."""

import os
import signal
import sys


def main(arguments=None):
    """The exit code: 0, 1 where the answer is no, 2 where something could not be done.

    Without `arguments` it is the program, whose streams and signals are set up too.
    """
    if arguments is None:
        set_up_process()
    code = None
    try:
        try:
            options = parser().parse_args(arguments)
            code = options.run(options)
        finally:
            sys.stdout.flush()
    except OSError as error:  # of stdout, as a full disk: a command reports those of its files
        if code != 2:  # which was explained
            print(f"viewcast: {error.strerror or error}", file=sys.stderr)
        if arguments is None:  # what is still buffered is not tried again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    return code


def set_up_process():
    """Ctrl-C and a closed pipe end the process as they end a C program, without a
    traceback; a character that the terminal cannot show is escaped, not an error."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started the process
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        else:
            stream.reconfigure(errors="backslashreplace")


def parser():
    """With the commands of each module, which are imported only now: set_up_process() comes
    before all that takes time. What they need of other libraries they import when they run."""
    import argparse

    from . import __version__, bench, demo, doctor

    script = os.path.basename(sys.argv[0])
    made = argparse.ArgumentParser(
        prog=script if script == "viewcast" else "python -m viewcast",
        description="Images in memory as GpuMats, tensors and arrays, without copies.",
    )
    made.add_argument("--version", action="version", version=__version__)
    commands = made.add_subparsers(metavar="COMMAND", required=True)
    for module in (doctor, demo, bench):
        module.add_command(commands)
    return made


if __name__ == "__main__":
    sys.exit(main())
