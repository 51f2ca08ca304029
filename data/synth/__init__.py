"""The procedural set: videos of drawn objects, and crops that move over the stills of a COCO set."""

from mobilevis.data.synth.generate import generate
from mobilevis.data.synth.sources import SynthOptions

__all__ = ["SynthOptions", "generate"]
