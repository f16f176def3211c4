"""Write a params file that differs from another one in a few keys, such as the tiny profile of `make smoke`."""

import argparse
import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from track_persistence.core.command import run_command
from track_persistence.core.errors import ParamsError
from track_persistence.core.files import write_text
from track_persistence.core.params import read_params


def merge(params: dict[str, Any], overrides: dict[str, Any], where: str) -> None:
    """Replace in `params`, in place, what `overrides` names; an unknown key is a `ParamsError`."""
    for key, value in overrides.items():
        if key not in params:
            raise ParamsError(f"{where}{key}: not a known key (got {value!r}); only existing keys can be replaced")
        if isinstance(params[key], dict) and isinstance(value, dict):
            merge(params[key], value, f"{where}{key}.")
        else:
            params[key] = value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, required=True, help="the full params file")
    parser.add_argument("--overrides", type=Path, required=True, help="the keys to replace, nested as in params")
    parser.add_argument("--output", type=Path, required=True, help="the params file to write")
    arguments = parser.parse_args()
    read_params(arguments.params)
    yaml = YAML()
    params = yaml.load(arguments.params)
    merge(params, read_params(arguments.overrides), f"{arguments.overrides}: ")
    stream = io.StringIO()
    yaml.dump(params, stream)
    write_text(arguments.output, stream.getvalue())


if __name__ == "__main__":
    run_command(main)
