"""``mobilevis list``: the models and the training configurations by name."""

from __future__ import annotations


def list_names() -> None:
    """List the models, which of them have weights that ship, and the training configurations."""
    from rich.console import Console

    from mobilevis.cli.tables import make_table
    from mobilevis.models import list_models
    from mobilevis.models.weights.bundled import weights_of
    from mobilevis.training.recipes import shipped_recipes

    table = make_table("", ["model", "weights that ship"])
    for name in list_models():
        table.add_row(name, ", ".join(weights_of(name)))
    console = Console()
    console.print(table)
    console.print(f"configurations of `mobilevis train`: {', '.join(shipped_recipes())}", highlight=False)
