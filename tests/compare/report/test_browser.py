"""The page of a comparison in a browser: opened from disk, it needs no other file.

One test is in the fast tier: it loads the page, runs its script and uses its controls.
"""

import json
import math
import os
import re
import shutil
from dataclasses import replace

import pytest
from support.commands import lacking, said
from support.comparisons import STEPS, comparison_of, finish, grid_of

from gandem.compare import make_settings, open_comparison, plan, write_comparison
from gandem.compare.report.charts import Line, linear

pytest.importorskip("jinja2", reason="pages are drawn with Jinja2")
pytest.importorskip("scipy", reason="verdicts take Student's t")

BROWSERS = ("chromium", "google-chrome", "chromium-browser")
WIDE, NARROW = 1280, 375


@pytest.fixture(scope="module")
def browser():
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        lacking("chromium", "Playwright is not installed")
    there = next(filter(None, map(shutil.which, BROWSERS)), None)
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=there, args=["--no-sandbox"] if as_root else []
            )
        except Error as error:
            lacking("chromium", f"no browser can be started ({str(error).splitlines()[0]})")
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    made = comparison_of(tmp_path_factory.mktemp("made") / "out", grid_of())
    write_comparison(made)
    return made


@pytest.fixture(scope="module")
def ablation(tmp_path_factory):
    """Three settings of two models on one backend."""
    settings = make_settings({"latent": [8, 16, 32]})
    grid = grid_of(models=("mlp-gan", "dcgan"), settings=settings, backends=("torch",))
    made = comparison_of(tmp_path_factory.mktemp("ablation") / "out", grid)
    write_comparison(made)
    return made


@pytest.fixture
def opened(browser):
    """Return a function that opens a comparison's page; in the end nothing has gone wrong in it,
    and nothing was asked for but the page itself.
    """
    contexts, wrong, asked, opened_pages = [], [], [], []

    def opened(made, width=WIDE, **more):
        context = browser.new_context(viewport={"width": width, "height": 900}, **more)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        uri = (made.path / "index.html").resolve().as_uri()
        opened_pages.append(uri)
        page.goto(uri)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith("data:")] == opened_pages


def shown(page, selector):
    """Return the parts that can be seen."""
    return page.locator(selector).filter(visible=True)


def texts(page, selector):
    return [text.strip() for text in shown(page, selector).all_inner_texts()]


def tick(page, name):
    """Return the box that shows or hides something."""
    return page.get_by_role("checkbox", name=name, exact=True)


# --- it opens ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("which", ["made", "ablation"])
def test_nothing_has_to_be_scrolled_sideways(request, opened, which, width, tmp_path):
    page = opened(request.getfixturevalue(which), width=width)

    page.screenshot(path=tmp_path / f"{which}-{width}.png", full_page=True)

    assert page.evaluate("document.documentElement.scrollWidth") == width
    loaded = "[...document.images].every((image) => image.complete && image.naturalWidth > 0)"
    assert page.evaluate(loaded)
    least = page.locator("p, td, th, label, .ticks span").evaluate_all(
        "(all) => Math.min(...all.map((one) => parseFloat(getComputedStyle(one).fontSize)))"
    )
    assert least >= 12


@pytest.mark.slow
def test_the_verdict_on_top_is_that_of_the_report(made, opened):
    told = json.loads(said("report", made.path, "--json"))["verdict"]

    page = opened(made)

    assert page.locator("#verdict").inner_text() == told
    assert page.locator("#verdict").bounding_box()["y"] < 200


@pytest.mark.slow
def test_in_the_dark_it_is_dark(made, opened):
    def colors(scheme):
        page = opened(made, color_scheme=scheme)
        style = "getComputedStyle(document.body)"
        found = (page.evaluate(f"{style}.{name}") for name in ("backgroundColor", "color"))
        return [sum(map(int, re.findall(r"\d+", color)[:3])) for color in found]

    (light, ink), (dark, chalk) = colors("light"), colors("dark")

    assert light - ink > 500
    assert chalk - dark > 500


@pytest.mark.slow
def test_on_paper_it_is_light_and_without_controls(made, opened):
    page = opened(made, color_scheme="dark")

    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert shown(page, ".controls, #play, #slider").count() == 0
    assert shown(page, "details li").count()  # what is folded is unfolded


@pytest.mark.slow
def test_a_page_of_names_like_scripts_runs_none(browser, opened, tmp_path):
    evil = "</script><script>console.error('!')</script><img src=x onerror=\"console.error('!')\">"
    grid = grid_of(models=(evil,), backends=("torch", evil), seeds=(0,))
    made = comparison_of(tmp_path / "out", grid)
    write_comparison(made)

    page = opened(made)

    assert evil in page.locator("h1").inner_text()
    assert shown(page, "img").count() == 2


@pytest.mark.slow
def test_without_scripts_it_can_be_read(made, opened):
    page = opened(made, java_script_enabled=False)

    assert shown(page, "img").count() == 6
    assert shown(page, ".readout").count() == 2 + 3
    assert page.locator("polyline").count() == 2 * 6 + 3 * 3


# --- samples -------------------------------------------------------------------------------------


def pictures(page):
    return page.locator("img").evaluate_all("(all) => all.map((one) => one.getAttribute('src'))")


@pytest.mark.slow
def test_the_slider_moves_every_picture_to_the_step(made, opened):
    page = opened(made)
    kept = page.evaluate("DATA")
    last = pictures(page)
    slider = page.locator("#slider")

    slider.focus()
    for place in (2, 1, 0):
        slider.press("ArrowLeft")

        wanted = [kept["pictures"][of[str(STEPS[place])]] for of in kept["cells"]]
        assert [src.partition(",")[2] for src in pictures(page)] == wanted
        assert page.locator("#step").inner_text() == str(STEPS[place])
        ends = f", after step {STEPS[place]}"
        assert page.get_by_role("img", name=re.compile(f"^Samples of .*{ends}$")).count() == 6

    slider.press("End")
    assert pictures(page) == last
    assert len(set(last)) == 6


@pytest.mark.slow
def test_a_training_that_ended_early_shows_what_it_drew_last(opened, tmp_path):
    made = comparison_of(tmp_path / "out", grid_of(seeds=(0,)))
    for step in STEPS[2:]:
        (made.folder(made.cells()[0]) / "samples" / f"step-{step:06}.png").unlink()
    write_comparison(made)

    page = opened(made)

    assert texts(page, "figcaption") == ["torch, step 20", "keras"]
    before = pictures(page)
    page.locator("#slider").press("ArrowLeft")
    now = pictures(page)
    assert (now[0], now[1] == before[1]) == (before[0], False)
    page.locator("#slider").press("Home")
    assert texts(page, "figcaption") == ["torch", "keras"]
    assert pictures(page)[0] != before[0]


@pytest.mark.slow
def test_the_samples_play_and_stop(made, opened):
    page = opened(made)
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
def test_a_seed_can_be_enlarged(made, opened):
    page = opened(made)
    image = page.locator("img").first
    before = image.bounding_box()["width"]

    page.get_by_role("button", name="enlarge seed 0").click()

    assert image.bounding_box()["width"] > 2 * before


@pytest.mark.slow
def test_pictures_that_are_equal_are_all_shown(opened, tmp_path):
    made = comparison_of(tmp_path / "out", grid_of(seeds=(0,)))
    first, second = (made.folder(cell) / "samples" / "step-000040.png" for cell in made.cells())
    shutil.copy(first, second)
    write_comparison(made)

    page = opened(made)

    assert len(set(pictures(page))) == 1
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")


# --- what is shown -------------------------------------------------------------------------------


def test_a_backend_can_be_hidden_everywhere(made, opened):
    page = opened(made)

    tick(page, "keras").uncheck()

    assert texts(page, "figcaption") == ["torch"] * 3
    assert texts(page, "#scores tbody th") == [f"torch, seed {seed}" for seed in range(3)]
    assert texts(page, "#costs tbody th") == ["torch"]
    assert shown(page, "polyline").count() == 2 * 3  # of losses; no walk without one of its two
    assert texts(page, ".readout tbody th") == ["torch"] * 2

    tick(page, "keras").check()
    assert shown(page, "figcaption").count() == 6
    assert shown(page, "polyline").count() == 2 * 6 + 3 * 3


@pytest.mark.slow
def test_a_seed_can_be_hidden_everywhere(made, opened):
    page = opened(made)

    tick(page, "seed 1").uncheck()

    assert shown(page, "img").count() == 4
    assert texts(page, "#scores tbody th") == [
        f"{backend}, seed {seed}" for seed in (0, 2) for backend in ("torch", "keras")
    ]
    assert shown(page, "polyline").count() == 2 * 4 + 2 * 3


@pytest.mark.slow
def test_settings_and_models_can_be_hidden(ablation, opened):
    page = opened(ablation)

    tick(page, "latent=16").uncheck()
    tick(page, "dcgan").uncheck()

    assert texts(page, "figcaption") == ["latent=8", "latent=32"] * 3
    assert texts(page, "#costs tbody th") == [
        "mlp-gan, latent=8, torch",
        "mlp-gan, latent=32, torch",
    ]
    assert shown(page, "polyline").count() == 2 * 6


@pytest.mark.slow
def test_what_is_hidden_takes_no_room_in_a_chart(made, opened):
    page = opened(made)  # the losses of cell 5 are the highest
    highest = page.locator(".ticks").first.locator("span").last
    before = float(highest.inner_text())

    tick(page, "seed 2").uncheck()

    assert (before, float(highest.inner_text())) == (5, 3)
    boxes = [line.bounding_box() for line in shown(page, "[data-chart] polyline").all()[:4]]
    field = page.locator(".field").first.bounding_box()
    tops = [box["y"] - field["y"] for box in boxes]
    assert all(-2 <= top <= field["height"] + 2 for top in tops)
    assert max(tops) - min(tops) > 0.9 * field["height"]


@pytest.mark.slow
def test_an_axis_is_the_same_in_python_and_in_the_browser(made, opened):
    page = opened(made)
    calm = [math.sin(n) for n in range(200)]

    for values in (calm, [*calm, 5000.0], [-7e9, *calm], [0.5], [3.0, 3.0], [1.0, 2e7], [2e-5, 0]):
        axis = page.evaluate("(values) => axis(values)", values)
        labels = page.evaluate("(ticks) => ticks.map(label)", axis["ticks"])

        wanted = linear([Line("one", list(enumerate(values)))]).y
        assert (axis["low"], axis["high"]) == pytest.approx((wanted.low, wanted.high))
        assert labels == [words for _, words in wanted.ticks]


# --- tables --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_numbers_are_sorted_as_numbers_both_ways(made, opened):
    page = opened(made)
    head = page.get_by_role("button", name="Fréchet distance")
    column = page.locator("#scores tbody td:nth-child(4)")

    head.click()
    assert column.all_inner_texts() == ["9.5", "10.2", "11", "12", "12.5", "100"]
    assert head.locator("..").get_attribute("aria-sort") == "ascending"
    head.click()
    assert column.all_inner_texts() == ["100", "12.5", "12", "11", "10.2", "9.5"]
    assert head.locator("..").get_attribute("aria-sort") == "descending"


@pytest.mark.slow
def test_words_are_sorted_by_the_keyboard_too(made, opened):
    page = opened(made)

    page.locator("#costs button").first.press("Enter")

    assert texts(page, "#costs tbody th") == ["keras", "torch"]


@pytest.mark.slow
def test_what_is_missing_comes_last_both_ways(opened, tmp_path):
    made = plan(tmp_path / "out", grid_of(backends=("torch",)))
    for cell in made.cells()[:2]:
        finish(made, cell)
    write_comparison(made)
    page = opened(made)
    head = page.get_by_role("button", name="Fréchet distance")

    for wanted in (["9.5", "10.2", "–"], ["10.2", "9.5", "–"]):
        head.click()
        assert page.locator("#scores tbody td:nth-child(4)").all_inner_texts() == wanted


# --- charts --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_hovering_reads_the_values(made, opened):
    page = opened(made)
    chart = page.locator("[data-chart]").first
    chart.scroll_into_view_if_needed()
    box = chart.locator(".field").bounding_box()

    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 3)

    assert chart.locator("output").inner_text() == "20"
    assert chart.locator("tbody td").all_inner_texts() == [
        *("0.002", "2.002", "4.002"),
        *("1.002", "3.002", "5.002"),
    ]
    assert chart.locator("td.near").all_inner_texts() == ["5.002"]  # the pointer is at the top


@pytest.mark.slow
def test_a_finger_reads_the_values(made, opened):
    page = opened(made, width=NARROW, has_touch=True)
    chart = page.locator("[data-chart]").nth(1)
    chart.scroll_into_view_if_needed()
    box = chart.locator(".field").bounding_box()

    page.touchscreen.tap(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)

    assert chart.locator("output").inner_text() == "10"
    assert chart.locator("tbody td").first.inner_text() == "0.01"


@pytest.mark.slow
def test_arrow_keys_read_the_values(made, opened):
    page = opened(made)
    chart = page.locator("[data-chart]").first

    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowRight"):
        chart.locator(".plot").press(key)

    assert chart.locator("output").inner_text() == "39"
    assert chart.locator("tbody td").first.inner_text() == "0.0039"


@pytest.mark.slow
def test_a_walk_is_read_in_plain_numbers(made, opened):
    page = opened(made)
    chart = page.locator("[data-chart=log]").first
    chart.scroll_into_view_if_needed()
    box = chart.locator(".field").bounding_box()

    page.mouse.move(box["x"] + box["width"] * 0.31, box["y"] + 9)

    assert chart.locator("output").inner_text() == "2"
    assert chart.locator("tbody td").all_inner_texts() == ["2.0e-15", "4.0e-16", "2.0e-15"]


@pytest.mark.slow
def test_lines_differ_by_more_than_their_color(made, opened):
    page = opened(made)

    style = "(line) => [getComputedStyle(line).stroke, getComputedStyle(line).strokeDasharray]"
    torch, keras = (page.locator(f"polyline[data-b='{b}'][data-i]").first for b in (0, 1))
    (blue, solid), (orange, dashed) = torch.evaluate(style), keras.evaluate(style)

    assert blue != orange
    assert (solid, dashed) == ("none", "5px, 3px")


@pytest.mark.slow
def test_a_page_written_elsewhere_leads_to_the_runs(made, opened, tmp_path):
    place = tmp_path / "elsewhere" / "index.html"
    place.parent.mkdir()
    write_comparison(open_comparison(made.path), place)

    page = opened(replace(made, path=place.parent))

    for link in page.locator("figcaption a").all():
        folder = link.evaluate("(one) => decodeURI(new URL(one.href).pathname)")
        assert os.path.isfile(os.path.join(folder, "run.json"))
