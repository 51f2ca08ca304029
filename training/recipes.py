"""Training recipes: TOML files that may extend one another, and those that ship."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mobilevis.runtime.errors import UserError
from mobilevis.runtime.files import is_file
from mobilevis.training.toml import read_toml

RECIPES = Path(__file__).parent / "configs"
# Files of others that recipes start from → where they come from; nothing is downloaded here.
PUBLISHED: Mapping[str, str] = {
    "weights/resnet-50.safetensors": "https://huggingface.co/microsoft/resnet-50/resolve/main/model.safetensors",
    "weights/mask2former-r50-coco.pkl": "https://dl.fbaipublicfiles.com/maskformer/mask2former/coco/instance/"
    "maskformer2_R50_bs16_50ep/model_final_3c8ec9.pkl",
    "yolox_nano.onnx": "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/yolox_nano.onnx",
}
MAX_DEPTH = 8  # of recipes that extend one another; the longest chain that ships has 6

# Key of an earlier version → its name today; a table's own name stands for the keys that kept theirs.
_OLD_KEYS = {
    "loss": "objective",
    "temporal": "objective",
    "temporal.enabled": "objective.pairs",
    "temporal.weight": "objective.passed",
    "temporal.reuse": "objective.reused",
    "optimizer.backbone_multiplier": "optimizer.multipliers.backbone",
    "optimizer.decoder_multiplier": "optimizer.multipliers.instance_decoder",
}


def find_recipe(source: str | Path, beside: Path = Path()) -> Path:
    """The path of a TOML file, or of a shipped recipe's name.

    Args:
        source: the path or the name.
        beside: the folder that a relative path starts at.

    Raises:
        UserError: there is none; the shipped ones are listed.
    """
    path = Path(source)
    fix = f"give a TOML file or one of {', '.join(shipped_recipes())}"
    if path.suffix == ".toml":
        if is_file(beside / path):
            return beside / path
        raise UserError("no such configuration file", path, fix)
    if str(source) in shipped_recipes():
        return RECIPES / f"{source}.toml"
    raise UserError(f"unknown configuration '{source}'", fix=fix)


def shipped_recipes() -> list[str]:
    """The names of the recipes that ship, sorted."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def read_recipe(path: Path) -> dict[str, Any]:
    """The tables of a recipe over those of the one that it ``extends``, a shipped name or a path beside it.

    Tables are merged key by key. ``[model]`` and ``[objective]`` belong to one model: a recipe that names its
    model takes over neither.

    Raises:
        UserError: a file cannot be read, or the recipes extend one another without an end.
    """
    chain, layers = [path], [read_toml(path)]
    while (base := layers[-1].pop("extends", None)) is not None:
        if not isinstance(base, str):
            raise UserError("'extends' must be a name or a path", chain[-1], "name one other recipe")
        chain.append(find_recipe(base, chain[-1].parent))
        if len(chain) > MAX_DEPTH or chain[-1].resolve() in {file.resolve() for file in chain[:-1]}:
            names = " → ".join(file.name for file in chain)
            raise UserError(f"recipes extend one another too often: {names}", path, "name another one")
        layers.append(read_toml(chain[-1]))
    table: dict[str, Any] = {}
    for layer in reversed(layers):
        own = layer.get("model")
        if isinstance(own, dict) and "name" in own:
            table = {name: keys for name, keys in table.items() if name not in ("model", "objective")}
        table = _merge(table, layer)
    return table


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of both, key by key; where both have a value, that of ``over``."""
    merged = {**base, **over}
    for key in base.keys() & over.keys():
        if isinstance(base[key], dict) and isinstance(over[key], dict):
            merged[key] = _merge(base[key], over[key])
    return merged


def refuse_old_keys(table: Mapping[str, Any]) -> None:
    """Refuse what an earlier version read under another name.

    Raises:
        ValueError: there is such a key; the new name is given.
    """
    for old, new in _OLD_KEYS.items():
        name, _, key = old.partition(".")
        keys = table.get(name, {})
        if key and isinstance(keys, dict) and key in keys:
            raise ValueError(f"'{old}' is now '{new}'")
    for name in _OLD_KEYS.keys() & table.keys():
        first = next(iter(table[name]), "") if isinstance(table[name], dict) else ""
        old, new = (f"{part}.{first}".strip(".") for part in (name, _OLD_KEYS[name]))
        raise ValueError(f"'{old}' is now '{new}'")


def recipe_that_writes(file: str) -> str:
    """The shipped recipe whose ``run.output`` such a file is in; "" where there is none."""
    for name in shipped_recipes():
        if Path(read_recipe(RECIPES / f"{name}.toml")["run"]["output"]) == Path(file).parent:
            return name
    return ""
