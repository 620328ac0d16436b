"""The page of `asymptotics explore` in a real browser: headless Chromium, driven by Selenium."""

import json
import shutil
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

from cli.explorer.server import ExploreServer
from cli.main import run

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    pytest.skip("chromium and chromedriver are not installed", allow_module_level=True)

WAIT = 30
SENT = "Network.requestWillBeSent"


@pytest.fixture(scope="module")
def server():
    with ExploreServer(0) as made:
        Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
        "window-size=1200,900",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def until(browser, script):
    """The script's value once it is true."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, WAIT).until(lambda driver: driver.execute_script(script))


# the curves at rest: null while an answer is on its way
DRAWN = """(document.querySelector('#curve').hasAttribute('aria-busy') ? null :
  [...document.querySelectorAll('#curve path.curve')].map(p => p.getAttribute('d')).join('|'))"""


def move(browser, name, fraction):
    """Put a slider at a fraction of its range, as a hand does: an input event follows."""
    browser.execute_script(
        "const s = document.getElementById(arguments[0]);"
        "s.value = arguments[1] * s.max;"
        "s.dispatchEvent(new Event('input', {bubbles: true}));",
        f"slider-{name}",
        fraction,
    )


@pytest.fixture
def page(browser, server):
    browser.get(server.url)
    until(browser, "return document.querySelectorAll('#curve svg path').length > 0")
    until(browser, "return document.querySelectorAll('#phase svg, #phase canvas').length > 0")
    return browser


def test_a_slider_moves_the_curves_and_the_link_brings_them_back(page):
    before = until(page, f"return {DRAWN}")
    move(page, "signal", 0.15)
    after = until(page, f"const d = {DRAWN}; return d !== {before!r} && d")
    link = page.current_url
    assert float(parse_qs(urlsplit(link).query)["signal"][0]) == pytest.approx(0.985, abs=0.01)
    move(page, "signal", 0.9)
    until(page, f"const d = {DRAWN}; return d !== {after!r} && d")
    page.get(link)
    until(page, f"return {DRAWN} === {after!r}")
    shown = page.execute_script("return document.getElementById('value-signal').value")
    assert float(shown) == pytest.approx(0.985, abs=0.01)


def test_the_copied_link_is_the_state(page):
    # reading is this test's part; granting it alone would take the page's own writing away
    grants = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    page.execute_cdp_cmd("Browser.grantPermissions", grants)
    move(page, "ridge", 0.3)
    page.find_element("id", "copy-link").click()
    until(page, "return document.getElementById('copy-link').textContent === 'Copied'")
    copied = page.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == page.current_url
    ridge = page.execute_script("return document.getElementById('value-ridge').value")
    assert parse_qs(urlsplit(copied).query)["ridge"] == [ridge]


def test_a_dragged_slider_leaves_no_queue_of_requests(page):
    until(page, f"return {DRAWN}")
    page.get_log("performance")
    for step in range(60):
        move(page, "augmentation", step / 60)
    until(page, f"return {DRAWN}")
    last = page.execute_script("return document.getElementById('value-augmentation').value")
    curves = [parse_qs(urlsplit(url).query) for url in sent(page) if "/api/curve" in url]
    assert curves[-1]["augmentation"] == [last]
    assert len(curves) < 60


def test_the_button_gives_a_command_that_runs(page, capsys):
    page.find_element("id", "show-code").click()
    text = until(page, "return document.getElementById('command').textContent")
    python = page.execute_script("return document.getElementById('python').textContent")
    assert "from asymptotics import" in python
    first = text.splitlines()[0].split()
    assert first[:2] == ["asymptotics", "curve"]
    assert run([*first[1:], "--json"]) in (0, 3)
    assert '"accuracy"' in capsys.readouterr().out


def test_a_bad_link_is_said_on_the_page(browser, server):
    browser.get(f"{server.url}?signal=loud")
    banner = until(browser, "return document.getElementById('banner').textContent")
    assert "signal" in banner


def test_the_page_fits_a_telephone(page):
    small = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", small)
    width = until(page, "return innerWidth <= 400 && document.documentElement.scrollWidth")
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width <= 400


def sent(browser):
    """The addresses of all requests since this was last asked, the browser's own pages aside."""
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    requests = [e["params"]["request"] for e in events if e["method"] == SENT]
    return [request["url"] for request in requests if request["url"].startswith(("http", "ws"))]


def test_nothing_fails_on_the_console_and_nothing_leaves_this_machine(page, server):
    severe = [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    assert [entry for entry in severe if "signal=loud" not in entry["message"]] == []
    assert {urlsplit(url).netloc for url in sent(page)} == {urlsplit(server.url).netloc}
