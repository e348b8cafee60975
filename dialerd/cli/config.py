"""`dialerd config`: what the settings are, from wherever they came."""

import typer

from dialerd.cli.console import AsJson, facts, out, print_json
from dialerd.cli.session import session_of

app = typer.Typer(help="Look at the settings.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Look at the settings."""


@app.command("show")
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Print every setting as it is in force; secrets are hidden."""
    settings = session_of(context).settings.model_dump(mode="json")
    if as_json:
        print_json(settings)
        return
    named = {f"{group}.{name}": value for group, values in settings.items() for name, value in values.items()}
    out().print(facts(named))
