"""The report of a comparison in a browser: opened from disk, it needs no other file.

One test is in the fast tier: it loads the page, runs its script and uses its controls.
"""

import csv
import json
import math
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.browser import start_browser
from support.commands import said
from support.comparisons import STEPS, make_comparison, make_grid, write_run

from gandem.compare import make_settings, open_comparison, plan, write_comparison
from gandem.compare.report.charts import Line, line_chart

pytest.importorskip("jinja2", reason="reports are rendered with Jinja2")
pytest.importorskip("scipy", reason="verdicts use Student's t")

WIDE, NARROW = 1280, 375


@pytest.fixture(scope="module")
def browser():
    with start_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def backends(tmp_path_factory):
    """Two backends with three seeds."""
    comparison = make_comparison(tmp_path_factory.mktemp("backends") / "out", make_grid())
    write_comparison(comparison)
    return comparison


@pytest.fixture(scope="module")
def ablation(tmp_path_factory):
    """Three settings of two models on one backend."""
    settings = make_settings({"latent": [8, 16, 32]})
    grid = make_grid(models=("mlp-gan", "dcgan"), settings=settings, backends=("torch",))
    comparison = make_comparison(tmp_path_factory.mktemp("ablation") / "out", grid)
    write_comparison(comparison)
    return comparison


@pytest.fixture(scope="module")
def long_names(tmp_path_factory):
    """Models, settings and backends with long names, and many seeds."""
    rate = "generator.optimizer.learning_rate"
    grid = make_grid(
        models=("specs/hinge-dcgan-with-spectral-normalization-and-augmentation.toml", "w" * 60),
        settings=make_settings(
            {rate: [0.00012345, 0.00023456], "hidden": [[512, 256, 128, 64, 32, 16]]}
        ),
        backends=("torch", "organization-with-a-name/jax"),
        seeds=tuple(range(6)),
    )
    comparison = make_comparison(tmp_path_factory.mktemp("long") / "out", grid)
    write_comparison(comparison)
    return comparison


@pytest.fixture
def open_page(browser):
    """Return a function that opens a report; afterwards, check that nothing went wrong in it and
    that nothing was loaded but the page.
    """
    contexts, errors, requests, opened = [], [], [], []

    def open_page(comparison, width=WIDE, **more):
        context = browser.new_context(viewport={"width": width, "height": 900}, **more)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        uri = (comparison.path / "index.html").resolve().as_uri()
        opened.append(uri)
        page.goto(uri)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in requests if not url.startswith(("data:", "blob:"))] == opened


def shown(page, selector):
    """Return the visible elements."""
    return page.locator(selector).filter(visible=True)


def texts(page, selector):
    return [text.strip() for text in shown(page, selector).all_inner_texts()]


def checkbox(page, name):
    """Return the checkbox that shows or hides runs."""
    return page.get_by_role("checkbox", name=name, exact=True)


# --- layout --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("which", ["backends", "ablation", "long_names"])
def test_nothing_is_cut_off(request, open_page, which, width):
    page = open_page(request.getfixturevalue(which), width=width)

    assert page.evaluate("document.documentElement.scrollWidth") == width
    cut_off = page.evaluate(
        """() => [...document.querySelectorAll("main *:not(svg *, .unseen)")].filter((part) => {
          const box = part.getBoundingClientRect(), style = getComputedStyle(part);
          if (!box.width || style.display === "contents") return false;
          const clips = style.overflowX !== "visible" && part.scrollWidth > part.clientWidth;
          return clips || box.left < 0 || box.right > innerWidth;
        }).map((part) => part.outerHTML.slice(0, 100))"""
    )
    assert cut_off == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_pictures_and_letters_are_legible(backends, open_page, width):
    page = open_page(backends, width=width)

    complete = "[...document.images].every((image) => image.complete && image.naturalWidth > 0)"
    assert page.evaluate(complete)
    assert min(box["width"] for box in map(bounding_box, page.locator("img").all())) >= 3 * 28
    smallest = page.locator("p, td, th, label, .ticks span").evaluate_all(
        "(all) => Math.min(...all.map((part) => parseFloat(getComputedStyle(part).fontSize)))"
    )
    assert smallest >= 12


def bounding_box(locator):
    return locator.bounding_box()


@pytest.mark.slow
def test_the_verdict_at_the_top_is_that_of_the_command(backends, open_page):
    verdict = json.loads(said("report", backends.path, "--json"))["verdict"]

    page = open_page(backends)

    assert page.locator("#verdict").inner_text() == verdict
    assert page.locator("#verdict").bounding_box()["y"] < 200


@pytest.mark.slow
def test_a_dark_browser_has_a_dark_page(backends, open_page):
    def brightness(scheme):
        page = open_page(backends, color_scheme=scheme)
        style = "getComputedStyle(document.body)"
        colors = (page.evaluate(f"{style}.{name}") for name in ("backgroundColor", "color"))
        return [sum(map(int, re.findall(r"\d+", color)[:3])) for color in colors]

    (light_paper, light_ink), (dark_paper, dark_ink) = brightness("light"), brightness("dark")

    assert light_paper - light_ink > 500
    assert dark_ink - dark_paper > 500


@pytest.mark.slow
def test_a_printed_page_is_light_and_without_controls(backends, open_page):
    page = open_page(backends, color_scheme="dark")

    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert shown(page, ".controls, #play, #slider, button[data-export]").count() == 0
    assert shown(page, "details li").count()  # details are open


@pytest.mark.slow
def test_names_that_contain_scripts_run_none(open_page, tmp_path):
    evil = "</script><script>console.error('!')</script><img src=x onerror=\"console.error('!')\">"
    grid = make_grid(models=("mlp-gan",), backends=("torch", evil), seeds=(0,))
    comparison = make_comparison(tmp_path / "out", grid)
    write_comparison(comparison)

    page = open_page(comparison)

    assert evil in page.locator("h1").inner_text()
    assert shown(page, "img").count() == 2


@pytest.mark.slow
def test_the_page_can_be_read_without_scripts(backends, open_page):
    page = open_page(backends, java_script_enabled=False)

    assert shown(page, "img").count() == 6
    assert shown(page, ".readout").count() == 2 + 3
    assert page.locator("polyline").count() == 2 * 6 + 3 * 3
    assert shown(page, "circle").count() == 6
    assert shown(page, "button[data-export], select").count() == 0


# --- samples -------------------------------------------------------------------------------------


def sources(page):
    return page.locator("img").evaluate_all("(all) => all.map((image) => image.src)")


@pytest.mark.slow
def test_the_slider_moves_every_picture_to_the_step(backends, open_page):
    page = open_page(backends)
    pictures = page.evaluate("pictures")
    by_cell = page.evaluate("DATA.cells")
    last = sources(page)
    slider = page.locator("#slider")

    slider.focus()
    for place in (2, 1, 0):
        slider.press("ArrowLeft")

        assert sources(page) == [pictures[by_step[str(STEPS[place])]] for by_step in by_cell]
        assert page.locator("#step").inner_text() == str(STEPS[place])
        end = f", after step {STEPS[place]}"
        assert page.get_by_role("img", name=re.compile(f"^Samples of .*{end}$")).count() == 6

    slider.press("End")
    assert sources(page) == last
    assert len(set(last)) == 6


@pytest.mark.slow
def test_a_run_that_ended_early_shows_its_last_samples(open_page, tmp_path):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,)))
    for step in STEPS[2:]:
        (comparison.folder(comparison.cells()[0]) / "samples" / f"step-{step:06}.png").unlink()
    write_comparison(comparison)

    page = open_page(comparison)

    assert texts(page, "figcaption") == ["torch, step 20", "keras"]
    before = sources(page)
    page.locator("#slider").press("ArrowLeft")
    now = sources(page)
    assert (now[0], now[1] == before[1]) == (before[0], False)
    page.locator("#slider").press("Home")
    assert texts(page, "figcaption") == ["torch", "keras"]
    assert sources(page)[0] != before[0]


@pytest.mark.slow
def test_the_samples_play_and_pause(backends, open_page):
    page = open_page(backends)
    play, step = page.locator("#play"), page.locator("#step")

    play.click()
    assert step.inner_text() == str(STEPS[0])
    assert play.inner_text() == "Pause"
    for _ in range(100):
        if step.inner_text() == str(STEPS[1]):
            break
        page.wait_for_timeout(50)
    assert step.inner_text() == str(STEPS[1])
    play.click()

    assert play.inner_text() == "Play"
    stopped = step.inner_text()
    page.wait_for_timeout(900)
    assert step.inner_text() == stopped


@pytest.mark.slow
def test_samples_can_be_enlarged(backends, open_page):
    page = open_page(backends)
    image = page.locator("img").first
    before = image.bounding_box()["width"]

    page.get_by_label("size").select_option("3")

    assert image.bounding_box()["width"] == pytest.approx(3 * before, abs=1)


@pytest.mark.slow
def test_equal_pictures_are_all_shown(open_page, tmp_path):
    comparison = make_comparison(tmp_path / "out", make_grid(seeds=(0,)))
    folders = (comparison.folder(cell) for cell in comparison.cells())
    first, second = (folder / "samples" / "step-000040.png" for folder in folders)
    shutil.copy(first, second)
    write_comparison(comparison)

    page = open_page(comparison)

    assert len(set(sources(page))) == 1
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")


# --- filters -------------------------------------------------------------------------------------


def test_a_backend_can_be_hidden_everywhere(backends, open_page):
    page = open_page(backends)

    checkbox(page, "keras").uncheck()

    assert texts(page, "figcaption") == ["torch"] * 3
    assert texts(page, "#runs tbody td:nth-child(-n+2)") == [
        "torch",
        "0",
        "torch",
        "1",
        "torch",
        "2",
    ]
    assert texts(page, "#costs tbody td.key") == ["torch"]
    assert shown(page, "circle").count() == 3
    assert shown(page, "polyline").count() == 2 * 3  # losses; a trajectory needs both backends
    assert texts(page, ".readout tbody th") == ["torch"] * 2

    checkbox(page, "keras").check()
    assert shown(page, "figcaption").count() == 6
    assert shown(page, "polyline").count() == 2 * 6 + 3 * 3


@pytest.mark.slow
def test_a_seed_can_be_hidden_everywhere(backends, open_page):
    page = open_page(backends)

    checkbox(page, "seed 1").uncheck()

    assert shown(page, "img").count() == 4
    assert texts(page, "#runs tbody td:nth-child(2)") == ["0", "0", "2", "2"]
    assert shown(page, "polyline").count() == 2 * 4 + 2 * 3
    assert shown(page, "circle").count() == 4


@pytest.mark.slow
def test_settings_and_models_can_be_hidden(ablation, open_page):
    page = open_page(ablation)

    checkbox(page, "latent=16").uncheck()
    checkbox(page, "dcgan").uncheck()

    assert texts(page, "figcaption") == ["latent=8", "latent=32"] * 3
    assert texts(page, "#costs tbody td.key") == ["mlp-gan", "latent=8", "mlp-gan", "latent=32"]
    assert shown(page, "polyline").count() == 2 * 6


@pytest.mark.slow
def test_hidden_lines_take_no_room_in_a_chart(backends, open_page):
    page = open_page(backends)  # the losses of cell 5 are the highest
    highest = page.locator(".ticks").first.locator("span").last
    before = float(highest.inner_text())

    checkbox(page, "seed 2").uncheck()

    assert (before, float(highest.inner_text())) == (5, 3)
    boxes = [line.bounding_box() for line in shown(page, "[data-chart] polyline").all()[:4]]
    field = page.locator(".field").first.bounding_box()
    tops = [box["y"] - field["y"] for box in boxes]
    assert all(-2 <= top <= field["height"] + 2 for top in tops)
    assert max(tops) - min(tops) > 0.9 * field["height"]


@pytest.mark.slow
def test_python_and_the_browser_scale_an_axis_alike(backends, open_page):
    page = open_page(backends)
    calm = [math.sin(n) for n in range(200)]

    for values in (calm, [*calm, 5000.0], [-7e9, *calm], [0.5], [3.0, 3.0], [1.0, 2e7], [2e-5, 0]):
        axis = page.evaluate("(values) => scale(values)", values)
        ticks = page.evaluate("(ticks) => ticks.map(formatTick)", axis["ticks"])

        expected = line_chart([Line("one", list(enumerate(values)))]).y
        assert (axis["low"], axis["high"]) == pytest.approx((expected.low, expected.high))
        assert ticks == [text for _, text in expected.ticks]


# --- tables --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_numbers_are_sorted_in_both_directions(backends, open_page):
    page = open_page(backends)
    head = page.locator("#runs").get_by_role("button", name="Fréchet distance")
    column = page.locator("#runs tbody td:nth-child(5)")

    head.click()
    assert column.all_inner_texts() == ["9.5", "10.2", "11", "12", "12.5", "100"]
    assert head.locator("..").get_attribute("aria-sort") == "ascending"
    head.click()
    assert column.all_inner_texts() == ["100", "12.5", "12", "11", "10.2", "9.5"]
    assert head.locator("..").get_attribute("aria-sort") == "descending"


@pytest.mark.slow
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_column_of_the_results_can_be_sorted(ablation, open_page, width):
    page = open_page(ablation, width=width)
    table = page.locator("#results-frechet")

    for head in table.locator("th button").all():
        orders = []
        for _ in range(2):
            head.click()
            orders.append(table.locator("tbody tr td.key").all_inner_texts())
        assert sorted(orders[0]) == sorted(orders[1])
    model, setting, mean = (
        table.get_by_role("button", name=n) for n in ("model", "setting", "mean")
    )
    mean.click()
    means = table.locator("td[data-value]:nth-child(4)").evaluate_all(
        "(cells) => cells.map((cell) => Number(cell.dataset.value))"
    )
    assert means == sorted(means)
    setting.click()
    assert texts(page, "#results-frechet td:nth-child(2)")[::2] == [
        "latent=8",
        "latent=16",
        "latent=32",
    ]
    model.click()
    assert texts(page, "#results-frechet td:nth-child(1)") == ["dcgan"] * 3 + ["mlp-gan"] * 3


@pytest.mark.slow
def test_another_measure_has_its_own_results(backends, open_page):
    page = open_page(backends)
    assert texts(page, ".best")[0].startswith("Lowest Fréchet distance: torch")

    page.get_by_label("Measure").select_option("precision")

    assert [text.partition(":")[0] for text in texts(page, ".best")] == ["Highest precision"]
    assert shown(page, ".ranking table").get_attribute("id") == "results-precision"


@pytest.mark.slow
def test_text_is_sorted_with_the_keyboard(backends, open_page):
    page = open_page(backends)

    page.locator("#costs button").first.press("Enter")

    assert texts(page, "#costs tbody td.key") == ["keras", "torch"]


@pytest.mark.slow
def test_missing_values_come_last_in_both_directions(open_page, tmp_path):
    comparison = plan(tmp_path / "out", make_grid(backends=("torch",)))
    for cell in comparison.cells()[:2]:
        write_run(comparison, cell)
    write_comparison(comparison)
    page = open_page(comparison)
    head = page.locator("#runs").get_by_role("button", name="Fréchet distance")

    for values in (["9.5", "10.2", "–"], ["10.2", "9.5", "–"]):
        head.click()
        assert page.locator("#runs tbody td:nth-child(5)").all_inner_texts() == values


def export(page, table, file_format):
    """Return the content and the name of an exported table."""
    with page.expect_download() as download:
        page.locator(f"[data-export={table}]", has_text=file_format).click()
    return Path(download.value.path()).read_text("utf-8"), download.value.suggested_filename


@pytest.mark.slow
def test_every_table_is_exported_as_csv(backends, open_page):
    page = open_page(backends)

    for table in page.locator(".wide > table:visible").all():
        name = table.get_attribute("id")
        text, file = export(page, name, "CSV")
        head, *rows = csv.reader(text.splitlines())
        assert file == f"{name}.csv"
        assert {len(row) for row in rows} == {len(head)}
        assert len(rows) == table.locator("tbody tr, tfoot tr").count()
    text, _ = export(page, "results-frechet", "CSV")
    assert text.splitlines()[:2] == [
        "backend,seed 0,seed 1,seed 2,mean,deviation,seeds,difference,low,high,verdict",
        "torch,9.5,11,12,10.833333333333334,1.2583057392117916,3,,,,best",
    ]


@pytest.mark.slow
def test_a_table_is_exported_as_markdown_and_latex(ablation, open_page):
    page = open_page(ablation)
    checkbox(page, "mlp-gan").uncheck()

    markdown, _ = export(page, "costs", "Markdown")
    latex, file = export(page, "costs", "LaTeX")

    assert [line.count("|") for line in markdown.splitlines()] == [7] * 5
    assert markdown.splitlines()[:2] == [
        "| model | setting | steps per second | seconds to the first step | peak memory, MiB "
        "| checkpoint, MiB |",
        "| --- | --- | --: | --: | --: | --: |",
    ]
    assert file == "costs.tex"
    assert latex.startswith("\\begin{tabular}{llrrrr}\n\\hline\nmodel & setting & ")
    assert latex.count(" \\\\\n") == 4
    assert page.evaluate("FORMATS.LaTeX([['a_b & 5 %', '3 ± 1']], ['l', 'r'])").splitlines()[2] == (
        "a\\_b \\& 5 \\% & 3 $\\pm$ 1 \\\\"
    )


# --- charts --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_pointer_reads_the_values(backends, open_page):
    page = open_page(backends)
    chart = page.locator("[data-chart]").first
    chart.scroll_into_view_if_needed()
    box = chart.locator(".field").bounding_box()

    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 3)

    assert chart.locator("output").inner_text() == "20"
    assert chart.locator("tbody td").all_inner_texts() == [
        *("2.002", "0.002 to 4.002"),
        *("3.002", "1.002 to 5.002"),
    ]
    assert chart.locator(".nearest").inner_text() == "keras, seed 2: 5.002"  # at the top


@pytest.mark.slow
def test_a_finger_reads_the_values(backends, open_page):
    page = open_page(backends, width=NARROW, has_touch=True)
    chart = page.locator("[data-chart]").nth(1)
    chart.scroll_into_view_if_needed()
    box = chart.locator(".field").bounding_box()

    page.touchscreen.tap(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)

    assert chart.locator("output").inner_text() == "10"
    assert chart.locator("tbody td").first.inner_text() == "20.01"


@pytest.mark.slow
def test_arrow_keys_read_the_values(backends, open_page):
    page = open_page(backends)
    chart = page.locator("[data-chart]").first

    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowRight"):
        chart.locator(".plot").press(key)

    assert chart.locator("output").inner_text() == "39"
    assert chart.locator("tbody td").first.inner_text() == "2.004"


@pytest.mark.slow
def test_a_trajectory_is_read_in_plain_numbers(backends, open_page):
    page = open_page(backends)
    chart = page.locator("[data-chart=log]").first
    chart.scroll_into_view_if_needed()
    box = chart.locator(".field").bounding_box()

    page.mouse.move(box["x"] + box["width"] * 0.31, box["y"] + 9)

    assert chart.locator("output").inner_text() == "2"
    assert chart.locator("tbody td").all_inner_texts() == ["2.0e-15", "4.0e-16", "2.0e-15"]


@pytest.mark.slow
def test_lines_differ_by_more_than_their_color(backends, open_page):
    page = open_page(backends)

    style = "(line) => [getComputedStyle(line).stroke, getComputedStyle(line).strokeDasharray]"
    torch, keras = (page.locator(f"polyline[data-b='{b}'][data-i]").first for b in (0, 1))
    (blue, solid), (orange, dashed) = torch.evaluate(style), keras.evaluate(style)

    assert blue != orange
    assert (solid, dashed) == ("none", "5px, 3px")


@pytest.mark.slow
def test_a_page_in_another_folder_links_to_the_runs(backends, open_page, tmp_path):
    path = tmp_path / "elsewhere" / "index.html"
    path.parent.mkdir()
    write_comparison(open_comparison(backends.path), path)

    page = open_page(replace(backends, path=path.parent))

    for link in page.locator("figcaption a").all():
        folder = link.evaluate("(link) => decodeURI(new URL(link.href).pathname)")
        assert os.path.isfile(os.path.join(folder, "run.json"))
