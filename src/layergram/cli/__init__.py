"""The command line: one file per command, loaded only when that command runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError, Parameter

from layergram.cli.mistakes import as_typed, of_parser
from layergram.errors import LayergramError

VLLM = {"VLLM_LOGGING_STREAM": "ext://sys.stderr", "VLLM_NO_USAGE_STATS": "1"}
"""Of vLLM, unless the user has set them: results alone on stdout, and no reports of its use."""

COMMANDS = {
    "map": "Token maps of a text, of the model's answer to a prompt, or averaged over texts.",
    "roles": "A question set -> where a wrong answer shows, layer by token role.",
    "ask": "Answer new questions, and say how likely each answer is wrong.",
    "questions": "How a question set is read: asked, accepted, groups, warnings.",
    "heads": "Labelled steps -> what attention heads do, layer by head.",
    "depth": "Sampled answers -> at which layer their tokens settle, and what that predicts.",
    "fit-lens": "Fit a tuned or a Jacobian lens to a model.",
    "draw": "Pictures from any map file.",
    "describe": "Words from any map file.",
    "diff": "The difference of two maps.",
    "serve": "The live app: ask a model in the browser, and watch its maps grow.",
    "verify": "Are the results in a run's folder whole, torn or altered?",
    "measures": "What can be measured.",
    "check": "Does this model work here, and what is proved about it?",
}

EXAMPLES = {
    "map": (
        'layergram map "The capital of France is Paris."',
        'layergram map --prompt "Why is the sky blue?" --measure lens_token --picture svg',
        "layergram map --texts essays.csv --by sentence --out averages",
    ),
    "roles": (
        "layergram roles capitals --limit 60 --save-probe probe.npz",
        "layergram roles my.csv --columns question=prompt,answer=target --model ./my-model",
    ),
    "ask": (
        'layergram ask probe.npz "What is the capital of Peru?"',
        'layergram ask probe.npz --over "Lima is the capital of Peru."',
    ),
    "questions": ("layergram questions capitals", "layergram questions my.csv --json"),
    "heads": (
        "layergram heads functions --out functions",
        "layergram heads steps.jsonl --top 8 --model ./my-model",
    ),
    "depth": (
        "layergram depth arithmetic --limit 20 --samples 8",
        "layergram depth my.csv --g 0.4 0.5 --rho 0.9 --out depth --model ./my-model",
    ),
    "fit-lens": (
        "layergram fit-lens tuned --texts essays.txt --out lens",
        "layergram fit-lens jacobian --model ./my-model",
    ),
    "draw": (
        "layergram draw maps/divergence.nc -o figure.pdf",
        "layergram draw maps/divergence.nc --by word --kind text",
    ),
    "describe": (
        "layergram describe maps/divergence.nc",
        "layergram describe maps/divergence.nc --caption",
    ),
    "diff": ("layergram diff before.nc after.nc -o changes",),
    "serve": (
        "layergram serve",
        "layergram serve --model smollm2 --model ./my-model --out layergram-runs",
        "layergram serve --host 0.0.0.0 --port 8700",
    ),
    "verify": ("layergram verify capitals",),
    "measures": ("layergram measures", "layergram measures divergence settling_depth"),
    "check": ("layergram check smollm2", "layergram check ./my-model --dtype bfloat16"),
}
"""What to type, for the end of each command's help."""


def _default(value: object) -> str | None:
    """A default as it would be typed, for the help; nothing for what is empty, or off."""
    if value is None or value is False or value == "" or value == ():
        return None
    return " ".join(str(one) for one in value) if isinstance(value, tuple) else str(value)


app = App(
    name="layergram",
    help="Maps of what happens inside a language model, layer by layer.",
    version=lambda: version("layergram"),
    version_flags=["--version"],
    default_parameter=Parameter(show_default=_default),
)
for _name, _help in COMMANDS.items():
    _typed = "\n".join(f"* {line}" for line in EXAMPLES[_name])
    app.command(
        f"layergram.cli.{_name.replace('-', '_')}:command",
        name=_name,
        help=_help,
        help_epilogue=f"Examples:\n\n{_typed}",
    )


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code: 0 done, 1 the work failed, 2 the request was wrong."""
    words = sys.argv[1:] if tokens is None else list(tokens)
    try:
        app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        print(of_parser(error, words, COMMANDS), file=sys.stderr)
        return 2
    except LayergramError as error:
        print(as_typed(error, words, options_of(words)), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def options_of(words: Sequence[str]) -> set[str]:
    """The options of the command that was typed."""
    command = next((word for word in words if word in COMMANDS), None)
    if command is None:
        return set()
    return {name for one in app[command].assemble_argument_collection() for name in one.names}


def run() -> None:
    """Entry point of the ``layergram`` command."""
    for name, value in VLLM.items():
        os.environ.setdefault(name, value)
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as head, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)
