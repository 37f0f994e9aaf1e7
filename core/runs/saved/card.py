"""The model card of a saved model: Markdown with the front matter that hubs read.

Values in the front matter are written as JSON, which is also YAML.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from gandem.core.documents import is_number
from gandem.core.machine import format_size
from gandem.core.runs.record import RunRecord
from gandem.core.specs import Image, Spec, digest, plan_spec

HUB_DATASETS = {
    "mnist": "ylecun/mnist",
    "digits": "ylecun/mnist",
    "fashion-mnist": "zalando-datasets/fashion_mnist",
    "cifar10": "uoft-cs/cifar10",
}
"""The names of data sets on the Hugging Face Hub; digits is a part of MNIST."""
SCORES = {"frechet": "Fréchet distance", "kernel": "Kernel distance"}
"""The names of scores in tables, by their names in records."""
TASK = "unconditional-image-generation"


def write_card(
    target: str, spec: Spec, record: RunRecord, players: Sequence[str], size: int
) -> str:
    """Return the text of the card.

    Args:
        target: what the model is opened by: ``"dcgan@digits"``, ``"hf://user/name"``, a folder.
        players: those whose weights are saved.
        size: bytes of the weights.
    """
    title = target.removeprefix("hf://")
    parts = [
        _write_front_matter(title, spec, record),
        f"# {title}",
        _describe(spec, record),
        "![Samples](samples.png)",
        _explain_use(target, spec),
        _write_facts(spec, record, players, size),
        *_write_scores(record),
        _explain_training(spec, record),
        _list_limits(spec, record),
    ]
    return "\n\n".join(parts) + "\n"


def _write_front_matter(title: str, spec: Spec, record: RunRecord) -> str:
    data = record.data.name.partition(":")[0]
    tags = ["gandem", "gan", "image-generation" if isinstance(spec.image, Image) else "points"]
    tags += ["conditional"] if "label" in plan_spec(spec)["generator"].inputs else []
    fields: dict[str, Any] = {"library_name": "gandem", "tags": [*tags, _name_model(spec, record)]}
    if isinstance(spec.image, Image):
        fields["pipeline_tag"] = TASK
    if record.license:
        fields["license"] = record.license
    if data in HUB_DATASETS:
        fields["datasets"] = [HUB_DATASETS[data]]
    if metrics := list(_list_metrics(record)):
        result = {
            "task": {"type": TASK},
            "dataset": {"name": record.data.name, "type": HUB_DATASETS.get(data, data)},
            "metrics": metrics,
        }
        fields["model-index"] = [{"name": title, "results": [result]}]
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _list_metrics(record: RunRecord) -> Iterator[dict[str, Any]]:
    """Yield the scores as the front matter holds them, the protocol in their names."""
    protocol = (record.evaluation or {}).get("protocol")
    for name, value, _ in _read_scores(record):
        if name in SCORES and isinstance(protocol, dict):
            text = f"{SCORES[name]} ({describe_protocol(protocol)})"
            yield {"type": name, "name": text, "value": round(value, 6)}


def _read_scores(record: RunRecord) -> Iterator[tuple[str, float, float | None]]:
    """Yield the name of each finite score, its value, and that of other real images."""
    evaluation = record.evaluation or {}
    real, last = (
        table if isinstance(table := evaluation.get(name), dict) else {}
        for name in ("real_baseline", "last")
    )
    for name, value in last.items():
        if name != "step" and not name.endswith("_error") and is_number(value):
            if math.isfinite(value):
                yield name, value, real.get(name)


def describe_protocol(protocol: dict[str, Any]) -> str:
    """Return how scores were measured, as one line."""
    fake, real = (
        f"{count:,}" if isinstance(count, int) else "?"
        for count in (protocol.get("fake"), protocol.get("real"))
    )
    return (
        f"{fake} images against {real} of {protocol.get('data')}, features of "
        f"{protocol.get('extractor')}, seed {protocol.get('seed')}"
    )


def _name_model(spec: Spec, record: RunRecord) -> str:
    return record.model or spec.name


def _describe(spec: Spec, record: RunRecord) -> str:
    kind = "points" if not isinstance(spec.image, Image) else "images of "
    size = "×".join(map(str, spec.image.shape)) if isinstance(spec.image, Image) else ""
    return (
        f"The generator of a GAN, `{_name_model(spec, record)}`, that was trained with "
        f"gandem on {record.data.name}. It generates "
        f"{kind}{size}."
    )


def _explain_use(target: str, spec: Spec) -> str:
    is_conditional = "label" in plan_spec(spec)["generator"].inputs
    label = ", label=0" if is_conditional else ""
    argument = shlex.quote(target)
    return f"""## Use

With gandem, on PyTorch or on Keras; equal seeds give equal images:

```sh
pip install 'gandem[torch]'
gandem generate {argument} -n 25 -o grid.png
```

```python
import gandem

run = gandem.from_pretrained({json.dumps(target)})
images = run.generate(25, seed=0{label}).images
network = run.native("generator")  # a torch.nn.Module or a keras.Model
```

Without gandem: `gandem export {argument} --format onnx` (or `torch`, `keras`, `litert`, `web`; see
`gandem list`) writes a file that runs without it. Or read the weights yourself:
`safetensors.numpy.load_file("model.safetensors")` returns them by layer, channels last, and
`spec.toml` has the layers in their order with every setting."""


def _write_facts(spec: Spec, record: RunRecord, players: Sequence[str], size: int) -> str:
    plans, data = plan_spec(spec), record.data
    count = sum(plans[name].parameter_count for name in players)
    names = ", ".join(data.class_names[:20]) if spec.classes else "none"
    license = f", {data.license}" if data.license else ""
    rows = {
        "data": f"{data.name}: {data.count:,} images{license}",
        "source of the data": data.source,
        "classes": names,
        "noise": f"{spec.latent.size} numbers, {spec.latent.distribution}",
        "networks": f"{', '.join(players)}; {count:,} parameters, {format_size(size)}",
        "steps": f"{record.steps:,}",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items() if value)
    return f"## Facts\n\n| | |\n|---|---|\n{table}"


def _write_scores(record: RunRecord) -> Iterator[str]:
    protocol, scores = (record.evaluation or {}).get("protocol"), list(_read_scores(record))
    if not scores or not isinstance(protocol, dict):
        return
    rows = [
        f"| {SCORES.get(name, name)} | {value:.4g} | "
        f"{f'{real:.4g}' if isinstance(real, int | float) else '–'} |"
        for name, value, real in scores
    ]
    yield (
        f"## Scores\n\nMeasured with {describe_protocol(protocol)}. Scores with another protocol "
        "cannot be compared with these.\n\n| | generated | other real images |\n|---|---|---|\n"
        + "\n".join(rows)
    )


def _explain_training(spec: Spec, record: RunRecord) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    lines = dict.fromkeys(part.command for part in record.segments)  # a resumed run has several
    text = "\n".join(filter(None, lines or [record.command]))
    command = f"```sh\n{text}\n```\n\n" if text else ""
    return (
        f"## Training\n\n{command}Seed {record.seed}, precision {record.precision}, {versions}, "
        f"gandem {record.gandem}, on {record.machine or 'an unknown machine'}. `run.json` has the "
        f"whole record. The SHA-256 of the spec is `{digest(spec)}`."
    )


def _list_limits(spec: Spec, record: RunRecord) -> str:
    weights = (
        "- The weights are the moving average of those of the training.\n"
        if spec.training.averages
        else ""
    )
    return f"""## Limits

- It generates images like those of {record.data.name} and of no other kind, of one size.
- Some samples are not recognizable, and some may resemble training images.
{weights}- It holds no state of an optimizer, so the training cannot be resumed from it."""
