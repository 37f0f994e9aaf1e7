"""Specs: GANs as frozen data, with their plans, serialization and digests."""

from gandem.core.specs import initializers, layers, schedules
from gandem.core.specs.composition import MOST_LAYERS, PluginKinds
from gandem.core.specs.gan import (
    Augment,
    Consistency,
    Image,
    Latent,
    Loss,
    PathLength,
    Player,
    Points,
    Spec,
    Training,
    Transforms,
)
from gandem.core.specs.initializers import *  # noqa: F403
from gandem.core.specs.layers import *  # noqa: F403
from gandem.core.specs.loading import PLUGIN_KINDS, ModelLike, find_model, load_spec
from gandem.core.specs.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from gandem.core.specs.overrides import (
    change,
    differences,
    field_paths,
    freeze_layers,
    parse_setting,
)
from gandem.core.specs.resolutions import image_of, image_shapes
from gandem.core.specs.schedules import *  # noqa: F403
from gandem.core.specs.serialization import (
    digest,
    from_data,
    from_json,
    from_toml,
    read_spec,
    to_data,
    to_json,
    to_toml,
)
from gandem.core.specs.shapes.geometry import crops, filter_matrix, interpolation, pads, span
from gandem.core.specs.shapes.graph import (
    FADE_IN,
    IMAGE,
    REFERENCE,
    NetworkPlan,
    Node,
    Parameter,
    Shape,
    at_resolution,
    is_image,
)
from gandem.core.specs.shapes.inference import draw_initial_values, layer_names, plan_network
from gandem.core.specs.shapes.stages import result_spec, stage_specs
from gandem.core.specs.stages import Stage
from gandem.core.specs.validation import (
    count_copies,
    has_encoder,
    input_shapes,
    plan_player,
    plan_spec,
)

__all__ = [
    "FADE_IN",
    "IMAGE",
    "MOST_LAYERS",
    "PLUGIN_KINDS",
    "REFERENCE",
    "SGD",
    "Adam",
    "AdamW",
    "Augment",
    "Consistency",
    "Image",
    "Latent",
    "Loss",
    "ModelLike",
    "NetworkPlan",
    "Node",
    "Optimizer",
    "Parameter",
    "PathLength",
    "Player",
    "PluginKinds",
    "Points",
    "RMSprop",
    "Shape",
    "Spec",
    "Stage",
    "Training",
    "Transforms",
    "at_resolution",
    "change",
    "count_copies",
    "crops",
    "differences",
    "digest",
    "draw_initial_values",
    "field_paths",
    "filter_matrix",
    "find_model",
    "freeze_layers",
    "from_data",
    "from_json",
    "from_toml",
    "has_encoder",
    "image_of",
    "image_shapes",
    "input_shapes",
    "interpolation",
    "is_image",
    "layer_names",
    "load_spec",
    "pads",
    "parse_setting",
    "plan_network",
    "plan_player",
    "plan_spec",
    "read_spec",
    "result_spec",
    "span",
    "stage_specs",
    "to_data",
    "to_json",
    "to_toml",
]
__all__ += initializers.__all__
__all__ += layers.__all__
__all__ += schedules.__all__
