"""Drivers: what strings an artefact's entries together over the frames of a video, one a model family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Callable

from mobilevis.runtime.drivers.base import Driver
from mobilevis.runtime.drivers.dense import DenseDriver, DenseOptions
from mobilevis.runtime.drivers.dvis_plus import DvisPlusDriver
from mobilevis.runtime.drivers.efficientvis import EfficientVISDriver
from mobilevis.runtime.drivers.maxtron import MaXTronOptions, MaXTronVisDriver
from mobilevis.runtime.drivers.maxtron_vps import MaXTronVpsDriver, MaXTronVpsOptions
from mobilevis.runtime.drivers.minvis import MinVISDriver
from mobilevis.runtime.drivers.mobileinst import MobileInstDriver, MobileInstOptions
from mobilevis.runtime.drivers.options import InstanceOptions, check_types
from mobilevis.runtime.drivers.seqformer import SeqFormerDriver, SeqFormerOptions
from mobilevis.runtime.drivers.tar import TarDvisPlusDriver, TarMinVISDriver, TarOptions
from mobilevis.runtime.engines.base import Artefact
from mobilevis.runtime.errors import UserError
from mobilevis.runtime.facts import UnfitArtefactError

MakeDriver = Callable[[Artefact, Any], Driver]
DRIVERS: Mapping[str, tuple[MakeDriver, type[InstanceOptions]]] = {
    "efficientvis": (EfficientVISDriver, InstanceOptions),
    "dvis-plus": (DvisPlusDriver, InstanceOptions),
    "dvis-plus-tar": (TarDvisPlusDriver, TarOptions),
    "maxtron-vis": (MaXTronVisDriver, MaXTronOptions),
    "maxtron-vps": (MaXTronVpsDriver, MaXTronVpsOptions),
    "minvis": (MinVISDriver, InstanceOptions),
    "minvis-tar": (TarMinVISDriver, TarOptions),
    "mobileinst": (MobileInstDriver, MobileInstOptions),
    "mobileinst-dense": (DenseDriver, DenseOptions),
    "seqformer": (SeqFormerDriver, SeqFormerOptions),
}


def make_driver(artefact: Artefact, options: Mapping[str, Any]) -> Driver:
    """The driver that the artefact's metadata names.

    Args:
        artefact: as ``load_artefact`` returns it.
        options: the driver's own options; see its options class.

    Raises:
        UserError: the driver is unknown, or an option or its value is not one of this driver's.
    """
    metadata = artefact.metadata
    if metadata.driver not in DRIVERS:
        raise UserError(
            f"the artefact needs driver {metadata.driver}, known are {', '.join(sorted(DRIVERS))}",
            fix="install a newer mobilevis",
        )
    driver, options_class = DRIVERS[metadata.driver]
    try:
        options_class = options_class.extend(options)
        known = [option.name for option in fields(options_class)]
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise UserError(
                f"{metadata.model} has no option {', '.join(unknown)}",
                fix=f"its options are {', '.join(known)}",
            )
        check_types(options_class, options)
        return driver(artefact, options_class(**options))
    except UnfitArtefactError as error:
        raise UserError(str(error), artefact.path, "export the model again") from error
    except ValueError as error:
        raise UserError(str(error), fix="give another value") from error
