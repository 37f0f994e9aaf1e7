"""Pages that generate images in the browser, opened from disk in Chromium.

One test of a browser is in the fast tier: it generates images, and moves between two classes.
"""

import hashlib
import io
import json
import re
import shutil
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from support.browser import start_browser
from support.commands import needs_a_backend, refused

import gandem
from gandem.core.data.images import to_bytes
from gandem.core.errors import SpecError
from gandem.core.export import export_runs
from gandem.core.plugins.discovery import BUILTIN
from gandem.core.plugins.registry import registry
from gandem.core.rng import Purpose, stream
from gandem.core.specs import Latent
from gandem.core.training import fixed_inputs
from gandem.exporters.web.description import LAYERS, check_layers, describe_nodes
from gandem.testing.cases import CASES
from gandem.testing.references.files import load_operations
from gandem.testing.untrained_run import make_run

pytestmark = needs_a_backend
PHONE, DESKTOP = 390, 1280


@pytest.fixture(scope="module")
def browser():
    with start_browser() as browser:
        yield browser


@pytest.fixture
def open_page(browser):
    """Return a function that opens a page from disk; afterwards, check that nothing went wrong in
    it, and that it loaded its own files only.
    """
    contexts, errors, requests, folders = [], [], [], []

    def open_page(site, width=DESKTOP, **more):
        context = browser.new_context(viewport={"width": width, "height": 844}, **more)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        folders.append(site.resolve().as_uri())
        page.goto(f"{folders[-1]}/index.html")
        page.wait_for_selector("html[data-difference]", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    own = tuple(f"{folder}/" for folder in folders)
    assert [url for url in requests if not url.startswith(("data:", "blob:", *own))] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory, conditional):
    """The page of a tiny conditional GAN."""
    path = tmp_path_factory.mktemp("web") / "site"
    gandem.export(conditional, "web", path)
    return path


def difference(images, expected):
    return np.abs(images.astype(int) - expected.astype(int)).max()


def test_a_page_generates_the_images_of_the_command(open_page, site, conditional):
    page = open_page(site)
    assert page.title() == "cgan, trained on npz:tiny.npz"  # without the folder

    page.get_by_role("textbox", name="Seed").fill("7")
    images = page.evaluate("samples.map((sample) => Array.from(compute(sample)))")
    page.get_by_role("combobox", name="First class").select_option("0")
    page.get_by_role("combobox", name="Second class").select_option("2")
    page.get_by_role("slider", name="From the first class to the second").fill("0.25")
    between = page.evaluate("Array.from(compute(current))")

    run = gandem.open_run(conditional)
    expected = run.generate(6, seed=7).images
    assert difference(np.array(images).reshape(expected.shape), expected) <= 1
    assert np.ptp(expected) > 100
    noise = fixed_inputs(run.spec, 7, 1, "float32")["noise"]
    label = np.array([[0.75, 0, 0.25]], np.float32)
    output = run.engine().forward("generator", {"noise": noise, "label": label})
    expected = to_bytes(output, run.spec.image.low, run.spec.image.high)
    assert difference(np.array(between), expected.ravel()) <= 1


def test_the_library_is_that_of_the_package():
    folder = files("gandem") / "exporters" / "web" / "runtime"

    for line in (folder / "SHA256SUMS").read_text("ascii").splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--player", "discriminator"], "received the player 'discriminator'"),
        (["--labels", "integers"], "the format 'web' has 'weights'; received 'integers'"),
    ],
)
def test_what_a_page_cannot_show_is_refused(conditional, tmp_path, options, words):
    path = tmp_path / "site"

    line = refused("export", conditional, "--format", "web", "-o", path, *options)

    assert words in line
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_the_page_does_not_know_is_named(tmp_path):
    run = make_run("mlp-gan")
    node = run.network().plan.nodes[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gandem.exporters.web.description.LAYERS", LAYERS - {node.layer.kind})

        with pytest.raises(SpecError, match=f"^{node.path}: .*{node.layer.kind!r}"):
            export_runs([run], "web", tmp_path / "site")


# --- arithmetic ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_layers_compute_what_the_references_say(open_page, site):
    page = open_page(site)
    assert set(page.evaluate("Object.keys(LAYERS)")) == LAYERS
    differences, kinds = {}, set()
    for case in CASES:
        nodes = list(case.plan.walk())
        trains = [n for n in nodes if n.layer.depends_on_batch or n.layer.draws]
        if trains or any(n.layer.has_spectral_norm for n in nodes):
            continue  # the references are of training
        try:
            check_layers(case.plan)
        except SpecError:
            continue
        kinds |= {node.layer.kind for node in nodes}
        arrays = case.arrays()
        result = page.evaluate(
            COMPUTE,
            {
                "nodes": describe_nodes(case.plan, arrays),
                "input": case.plan.input,
                "arrays": {name: _flat(value) for name, value in arrays.items()},
                "values": {name: _flat(value) for name, value in case.values().items()},
            },
        )
        expected = load_operations()[f"{case.name}: value"]
        assert result["shape"] == list(expected.shape), case.name
        error = np.abs(np.array(result["values"]) - expected.ravel()).max()
        differences[case.name] = error / max(1, np.abs(expected).max())

    assert {name: error for name, error in differences.items() if not error < 1e-5} == {}
    assert LAYERS - kinds == {"batch_norm", "dropout", "pixel_noise"}


def _flat(array):
    return {"values": array.ravel().tolist(), "shape": array.shape}


COMPUTE = """({nodes, input, arrays, values}) => {
  const read = ([name, {values, shape}]) => [name, tf.tensor(values, shape, "float32")];
  const tensors = (arrays) => Object.fromEntries(Object.entries(arrays).map(read));
  const network = Object.create(Network.prototype);
  Object.assign(network, {arrays: tensors(arrays), scaled: new Map(), values: tensors(values)});
  const result = network.run(nodes, network.values[input]);
  return {values: Array.from(result.dataSync()), shape: result.shape};
}"""


@pytest.mark.slow
def test_every_generator_of_the_catalog_gives_the_images_of_the_run(open_page, tmp_path):
    entries = registry().entries("models")
    models = [e.id for e in entries if e.provider == BUILTIN and e.id != "point-gan"]
    export_runs([make_run(model) for model in models], "web", tmp_path / "site")

    page = open_page(tmp_path / "site")
    differences = {}
    for model in models:
        entry = next(e for e in page.evaluate("NETWORKS") if e["name"] == model)
        page.evaluate("delete document.documentElement.dataset.difference")
        page.locator("#model").select_option(entry["file"])
        page.wait_for_selector("html[data-difference]", state="attached", timeout=120_000)
        differences[model] = int(page.evaluate("document.documentElement.dataset.difference"))

    assert {model: value for model, value in differences.items() if value > 1} == {}
    assert len(differences) > 20


@pytest.mark.slow
def test_random_numbers_are_those_of_numpy(open_page, site):
    page = open_page(site)
    draw = """([seed, method, count, end]) => {
      const stream = new Random.Stream(BigInt(seed));
      return Array.from({length: count}, () => stream[method](end));
    }"""
    for seed in (0, 1, 2**32 + 5, 2**64 - 1):
        for method, numpy in {
            "normal": lambda generator: generator.normal(size=50_000),
            "uniform": lambda generator: generator.uniform(-1, 1, 100),
            "integer": lambda generator: generator.integers(10, size=101),
        }.items():
            expected = numpy(stream(seed, Purpose.SAMPLES))

            drawn = page.evaluate(draw, [str(seed), method, len(expected), 10])

            np.testing.assert_allclose(drawn, expected, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "latent",
    [
        Latent(size=5),
        Latent(size=5, distribution="uniform"),
        Latent(size=9, categories=3, codes=2),
    ],
)
@pytest.mark.parametrize("model", ["mlp-gan", "cgan"])
def test_the_noise_is_that_of_the_command(open_page, site, model, latent):
    fields = {name: getattr(latent, name) for name in Latent.__dataclass_fields__}
    spec = make_run(model, **{f"latent.{name}": value for name, value in fields.items()}).spec
    page = open_page(site)

    drawn = page.evaluate(
        "([latent, classes]) => Random.samples(latent, classes, 3n, 7).map("
        "({noise, label}) => [Array.from(noise), label])",
        [fields, spec.classes],
    )

    expected = fixed_inputs(spec, 3, 7, "float64")
    np.testing.assert_allclose([noise for noise, _ in drawn], expected["noise"], rtol=1e-12)
    if "label" in expected:
        assert [label for _, label in drawn] == expected["label"].argmax(1).tolist()


# --- the page ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_and_text_is_legible(open_page, site, width, scheme):
    page = open_page(site, width, color_scheme=scheme)

    assert page.evaluate("document.documentElement.scrollWidth") == width
    style = "getComputedStyle(document.body)"
    paper, ink = (
        sum(map(int, re.findall(r"\d+", page.evaluate(f"{style}.{name}"))[:3]))
        for name in ("backgroundColor", "color")
    )
    assert (paper - ink if scheme == "light" else ink - paper) > 500
    assert page.locator("#image").bounding_box()["width"] > 150


@pytest.mark.slow
def test_every_control_has_a_name_and_obeys_the_keyboard(open_page, site):
    page = open_page(site)
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    roles = ("button", "slider", "combobox", "textbox")
    controls = page.locator("button, input, select").filter(visible=True).count()
    named = [page.get_by_role(role, name=re.compile(".")).count() for role in roles]
    assert sum(named) == controls

    states = [page.evaluate(STATE)]
    page.locator("#pad").focus()
    for key in ("ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
        states.append(page.evaluate(STATE))
    page.get_by_role("slider", name="From sample A to sample B").press("End")
    states.append(page.evaluate(STATE))
    page.get_by_role("button", name="Sample 4, class 1").press("Enter")
    states.append(page.evaluate(STATE))

    assert len(set(states)) == len(states)
    assert page.evaluate("ends") == [1, 4]
    assert page.locator("#caption").inner_text() == "Sample 4, class 1"


STATE = "JSON.stringify([Array.from(current.noise), Array.from(current.weights)])"


@pytest.mark.slow
def test_the_image_and_the_samples_can_be_saved(open_page, site, conditional):
    from PIL import Image

    page = open_page(site)
    expected = gandem.open_run(conditional).generate(6, seed=0).images[..., 0]

    saved = []
    for name in ("Download PNG", "Download all"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        with Image.open(io.BytesIO(download.value.path().read_bytes())) as image:
            saved.append(np.asarray(image.convert("L")))

    assert difference(saved[0], expected[0]) <= 1
    assert difference(saved[1], np.hstack(expected)) <= 1


@pytest.mark.slow
def test_the_first_image_appears_within_three_seconds(open_page, tmp_path):
    export_runs([make_run(gandem.spec("dcgan"))], "web", tmp_path / "site")

    page = open_page(tmp_path / "site")

    assert int(page.evaluate("document.documentElement.dataset.ready")) < 3000


@pytest.mark.slow
def test_a_seed_that_is_no_number_is_reported(open_page, site):
    page = open_page(site)

    page.get_by_role("textbox", name="Seed").fill("seven")

    assert page.get_by_role("alert").inner_text().startswith("The seed is a whole number")
    page.get_by_role("textbox", name="Seed").fill("7")
    assert not page.get_by_role("alert").is_visible()


@pytest.mark.slow
def test_a_latent_code_has_categories_and_sliders(open_page, tmp_path):
    export_runs([make_run("infogan")], "web", tmp_path / "site")

    page = open_page(tmp_path / "site")
    before = page.evaluate("Array.from(compute(current))")
    page.get_by_role("slider", name="code 1").fill("0.9")

    assert page.get_by_role("heading", name="Category").is_visible()
    assert page.evaluate("Array.from(compute(current))") != before


@pytest.mark.slow
def test_names_that_contain_scripts_run_none(open_page, tmp_path):
    evil = "</script><img src=x onerror=\"console.error('!')\">"
    run = make_run("cgan")
    names = tuple(f"{evil}{number}" for number in range(run.spec.classes))
    data = replace(run.record.data, name=evil, license=evil, class_names=names)
    run = replace(run, record=replace(run.record, data=data))
    export_runs([run], "web", tmp_path / "site")

    page = open_page(tmp_path / "site")

    assert evil in page.locator("#facts").inner_text()
    assert names[0] in page.locator("#caption").inner_text()
    assert page.locator("img").count() == 0


@pytest.mark.slow
def test_a_file_that_is_missing_is_named(browser, site, tmp_path):
    shutil.copytree(site, tmp_path / "site")
    (tmp_path / "site" / "network-1.js").unlink()

    page = browser.new_page()
    page.goto((tmp_path / "site" / "index.html").as_uri())
    page.get_by_role("alert").wait_for()

    assert page.get_by_role("alert").inner_text().startswith("The file network-1.js cannot be")
    page.close()


@pytest.mark.slow
def test_a_space_has_the_front_matter_that_hugging_face_reads(tmp_path, conditional):
    yaml = pytest.importorskip("yaml")
    gandem.export([conditional, conditional], "space", tmp_path / "space")

    text = (tmp_path / "space" / "README.md").read_text("utf-8")
    front = yaml.safe_load(text.split("---\n")[1])

    assert (front["sdk"], front["app_file"]) == ("static", "index.html")
    names = json.loads((tmp_path / "space" / "export.json").read_text())["networks"]
    assert len({network["name"] for network in names}) == 2
