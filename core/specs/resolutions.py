"""The resolutions of the images of a GAN: the full one, and those of outputs of the generator."""

from __future__ import annotations

from collections.abc import Mapping

from gandem.core.errors import SpecError
from gandem.core.specs.gan import Image, Points, Spec
from gandem.core.specs.shapes.graph import IMAGE, REFERENCE, NetworkPlan, Shape, find_images


def image_of(spec: Spec) -> Image:
    """Return the image format of a spec.

    Raises:
        SpecError: the spec generates points.
    """
    if isinstance(spec.image, Points):
        raise SpecError(
            f"The model {spec.name!r} makes points of {spec.image.size} numbers, not images; "
            "'gandem generate' draws points."
        )
    return spec.image


def image_shapes(spec: Spec) -> dict[str, Shape]:
    """Return the shape of the images in each resolution, by name: ``"image"``, then those that the
    generator gives beside it, ``"image:8"`` …, in the order of its outputs.
    """
    shapes: dict[str, Shape] = {IMAGE: spec.image.shape}
    for name in find_images(spec.player("generator").outputs):
        height, width, channels = image_of(spec).shape
        rows = int(name.partition(":")[2])
        shapes[name] = (rows, width * rows // height, channels)
    return shapes


def check_outputs(spec: Spec) -> None:
    """Refuse outputs of the generator whose resolution does not divide the image."""
    for layer in find_images(spec.player("generator").outputs).values():
        rows = int(layer.removeprefix("image_"))
        if spec.training.stages:
            raise SpecError(
                f"training.stages: the generator gives {layer!r} beside its last layer, and a "
                "stage has one resolution; leave out generator.outputs, or the stages."
            )
        if isinstance(spec.image, Points):
            raise SpecError(
                f"generator.outputs: {layer!r} is an image of {rows} rows, and the spec "
                f"{spec.name!r} makes points; choose another name for the layer."
            )
        height, width, _ = spec.image.shape
        factor = height // rows
        if rows == height:
            raise SpecError(
                f"generator.outputs: {layer!r} has the full resolution, which only the last layer "
                "gives; leave it out, and let other networks read 'image'."
            )
        if not factor or height % rows or width % factor:
            raise SpecError(
                f"generator.outputs: {layer!r} has {rows} rows, and the images are {height}x{width}"
                " pixels; the height must be a multiple of the rows, and that factor must divide "
                "the width."
            )


def check_images(spec: Spec, plans: Mapping[str, NetworkPlan]) -> None:
    """Check the images of lower resolutions that the generator gives."""
    plan, shapes = plans["generator"], image_shapes(spec)
    outputs = {node.reference: node.output_shape for node in plan.walk()}
    for name, layer in plan.images.items():
        if (shape := outputs[REFERENCE + layer]) != shapes[name]:
            raise SpecError(
                f"generator/{layer}: it gives {shape}, and the image has {shapes[name]} in this "
                "resolution; change the layer, or its name."
            )
        if name not in plans["discriminator"].inputs:
            raise SpecError(
                f"generator.outputs: the discriminator does not read {name!r}, so nothing trains "
                f"the layer {layer!r}; let it read that, or leave the output out."
            )
