"""The entry of `convert`: runs convert.cli in a process of its own.

TensorFlow's converter ends some networks, such as an LSTM as int8, with a crash. To a user that must be a sentence.
"""

import sys

from edge.system import apart


def main() -> None:
    """Runs the command with the arguments of this process, and exits with its exit code."""
    code = apart.run("convert.cli", *sys.argv[1:])
    if signal := apart.crash(code):
        sys.stderr.write(
            f"Error: Native code crashed ({signal}). TensorFlow's converter does so with layers that it can't convert, "
            "such as LSTM and GRU as int8: try --float32, or build the network from other layers. The runtime does so "
            "with a forged model file.\n"
        )
        code = 2
    elif code == -9:
        sys.stderr.write(
            "Error: The system ended the conversion, most likely for lack of memory; end other programs.\n"
        )
        code = 2
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
