"""The share page in a real browser, and as the bytes that it is: what it says, how it is used, what it asks for."""

import html
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from server.pages import write_contact
from server.pages.markup import clean_text
from server.resources import Resources
from storage.reports import Report
from storage.tracks import Track
from tests.covers.chromium import Page, open_page
from tests.server.test_pages import Reader, make_shared_track
from tests.studio import Studio, until

# What somebody may call a track, and what stands in the page.
HOSTILE = {
    "<b>bold</b>": "&lt;b&gt;bold&lt;/b&gt;",
    "</title></head><script>alert(1)</script>": "&lt;/title&gt;&lt;/head&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
    "\" onmouseover='alert(1)' x=\"": "&quot; onmouseover=&#x27;alert(1)&#x27; x=&quot;",
    "<!-- a comment --><![CDATA[": "&lt;!-- a comment --&gt;&lt;![CDATA[",
    "<img src=x onerror=alert(1)>": "&lt;img src=x onerror=alert(1)&gt;",
    "javascript:alert(1)//&amp;&lt;": "javascript:alert(1)//&amp;amp;&amp;lt;",
    "${title} $body %s {{7*7}}": "${title} $body %s {{7*7}}",
    "abc\u202egnp.exe\u2066\u2069": "abcgnp.exe",
    "\u0627\u0644\u0645\u0637\u0631 rain": "\u0627\u0644\u0645\u0637\u0631 rain",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3b8": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3b8",
    "null": "null",
    "bell\x07\x1b[31m tab\tline\nend\u2028": "bell[31m tab line end",
    "Z\u0351a\u0336lgo": "Z\u0351a\u0336lgo",
    "\u200b\u2060": "Untitled",
    "W" * 120: "W" * 120,
}
CONTRASTS = """(() => {
  const read = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const [r, g, b, a = 1] = read(getComputedStyle(at).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    const probe = document.createElement("i");
    probe.style.color = getComputedStyle(document.documentElement).getPropertyValue("--glow");
    document.body.append(probe);
    const found = read(getComputedStyle(probe).color);
    probe.remove();
    return found;
  };
  const texts = [...document.querySelectorAll("body *")].filter((one) =>
    [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && one.checkVisibility());
  return texts.map((one) => {
    const [light, dark] = [luminance(read(getComputedStyle(one).color)), luminance(ground(one))].sort((a, b) => b - a);
    return [one.tagName + " " + one.textContent.trim().slice(0, 30), (light + 0.05) / (dark + 0.05)];
  });
})()"""
FOCUSED = """(() => {
  const one = document.activeElement;
  const isOutlined = (at) => getComputedStyle(at).outlineStyle !== "none";
  const outlined = one.tagName === "AUDIO" || [one, one.closest(".wave") ?? one].some(isOutlined); // which has its own
  const name = one.getAttribute("aria-label") || one.id || one.textContent.trim();
  return [`${one.tagName} ${name}`.trim(), outlined];
})()"""
SHIFTS = """new Promise(done => { let sum = 0; new PerformanceObserver(list => {
  for (const one of list.getEntries()) sum += one.value; }).observe({type: "layout-shift", buffered: true});
  setTimeout(() => done(sum), 200); })"""


@pytest_asyncio.fixture(scope="module")
async def tab(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Page]:
    """A browser that knows no host but the studio's."""
    async with open_page(tmp_path_factory.mktemp("chromium"), f"127.0.0.1:{studio.port}") as opened:
        yield opened


@pytest_asyncio.fixture
async def track(resources: Resources, tmp_path: Path) -> Track:
    return await make_shared_track(resources, tmp_path)


async def use_scheme(tab: Page, scheme: str) -> None:
    await tab.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


async def use_screen(tab: Page, width: int, height: int) -> None:
    given: dict[str, Any] = {"deviceScaleFactor": 1, "mobile": width < 600}
    await tab.send("Emulation.setDeviceMetricsOverride", width=width, height=height, **given)


async def press(tab: Page, key: str, code: int) -> None:
    for kind in ("keyDown", "keyUp"):
        await tab.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)


@pytest.mark.parametrize("title", HOSTILE)
async def test_title_stands_in_the_page_as_text(
    studio: Studio, resources: Resources, tmp_path: Path, title: str
) -> None:
    written = HOSTILE[title]
    track = await make_shared_track(resources, tmp_path, title=title)
    text = (await studio.client.get(f"/share/{track.slug}")).text
    size = "long" if len(html.unescape(written)) > 40 else "short"
    assert f"<title>{written} by Ada · Libretto</title>" in text
    assert f'<h1 class="{size}" dir="auto">{written}</h1>' in text
    assert f'<meta property="og:title" content="{written}">' in text
    assert f'<meta name="twitter:title" content="{written}">' in text
    page = Reader(text)
    assert page.record["name"] == html.unescape(written) == (clean_text(title) or "Untitled")
    assert len(page.all("script")) == 2
    assert not page.all("b")
    assert page.meta["og:title"] == html.unescape(written)


@pytest.mark.parametrize(
    ("contact", "written"),
    [
        ("", "the operator of this site"),
        ("me@example.org", '<a href="mailto:me@example.org">me@example.org</a>'),
        ("https://example.org/?a=1&b", '<a href="https://example.org/?a=1&amp;b">https://example.org/?a=1&amp;b</a>'),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("the <office>", "the &lt;office&gt;"),
    ],
)
def test_policy_names_whom_to_write_to(contact: str, written: str) -> None:
    assert write_contact(contact) == written


async def test_preview_is_whole_and_absolute(studio: Studio, track: Track) -> None:
    page = Reader((await studio.client.get(f"/share/{track.slug}")).text)
    base = studio.settings.base_url
    for name in ("og:url", "og:image", "og:audio", "twitter:player", "twitter:image"):
        assert page.meta[name].startswith(f"{base}/"), name
    assert (page.meta["og:image:width"], page.meta["og:image:height"]) == ("1920", "1080")
    assert page.meta["og:image:type"] == "image/png"
    assert page.meta["og:image:alt"] == page.meta["twitter:image:alt"] == "Cover of Night train by Ada"
    assert (page.meta["twitter:player:width"], page.meta["twitter:player:height"]) == ("600", "168")
    described = (await studio.client.get(page.all("link", type="application/json+oembed")[0]["href"])).json()
    required = {"type", "version", "html", "width", "height", "title", "author_name", "provider_name", "provider_url"}
    assert required <= described.keys()
    assert {"thumbnail_url", "thumbnail_width", "thumbnail_height", "cache_age"} <= described.keys()


async def test_nothing_holds_the_page_up(studio: Studio, track: Track) -> None:
    text = (await studio.client.get(f"/share/{track.slug}")).text
    page = Reader(text)
    assert [attrs["rel"] for attrs in page.all("link") if attrs["rel"] in ("stylesheet", "preload")] == ["preload"]
    assert not [attrs for attrs in page.all("script") if "src" in attrs]
    assert all({"width", "height"} <= attrs.keys() for attrs in page.all("img"))
    assert len(text) < 40_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [(1280, 860), (390, 844), (320, 568)])
async def test_page_can_be_read_on_every_screen(
    tab: Page, studio: Studio, resources: Resources, tmp_path: Path, scheme: str, screen: tuple[int, int]
) -> None:
    track = await make_shared_track(resources, tmp_path, title="A title that is long enough for two lines", hue=55)
    await use_scheme(tab, scheme)
    await use_screen(tab, *screen)
    for path in ("/share/{}", "/share/{}/report", "/policy", "/share/none"):
        await tab.send("Page.navigate", url=studio.url + path.format(track.slug))
        await until(lambda: tab.ask("document.readyState == 'complete'"), "the page is there")
        assert await tab.ask(SHIFTS) < 0.1, path
        await tab.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
        contrasts: list[tuple[str, float]] = await tab.ask(CONTRASTS)
        assert contrasts
        assert [one for one in contrasts if one[1] < 4.5] == [], path
        assert await tab.ask("document.documentElement.scrollWidth <= innerWidth"), path


async def test_page_plays_and_asks_nobody_else(tab: Page, studio: Studio, track: Track) -> None:
    await use_screen(tab, 1280, 860)
    await tab.open(f"{studio.url}/share/{track.slug}")
    await tab.ask("document.querySelector('audio').muted = true; document.querySelector('.play').click()")
    await until(lambda: tab.ask("document.querySelector('audio').currentTime > 0.2"), "it plays")
    assert await tab.ask("document.querySelector('.play').getAttribute('aria-label')") == "Pause"
    await tab.ask("document.querySelector('[data-seconds=\"1.5\"]').click()")
    assert await tab.ask("document.querySelector('audio').currentTime >= 1.5")
    own = (f"{studio.url}/share/{track.slug}", f"{studio.url}/media/", "data:image/svg+xml")
    assert [url for url in tab.requests if not url.startswith(own)] == []
    assert tab.deeds == []
    assert await tab.ask("document.cookie + localStorage.length + sessionStorage.length") == "00"


async def test_everything_is_reached_by_keyboard_in_the_order_of_the_page(
    tab: Page, studio: Studio, track: Track
) -> None:
    await use_screen(tab, 1280, 860)
    await tab.send("Page.navigate", url=f"{studio.url}/share/{track.slug}")
    await until(
        lambda: tab.ask("document.readyState == 'complete' && !document.querySelector('.play').hidden"), "ready"
    )
    await tab.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    seen: list[str] = []
    for _ in range(40):
        await press(tab, "Tab", 9)
        focused, is_outlined = await tab.ask(FOCUSED)
        if focused.startswith("BODY") or [focused] == seen[:1]:
            break
        assert is_outlined, focused
        if not seen or seen[-1] != focused:  # the browser's own player has several places of its own
            seen.append(focused)
    expected = [
        "BUTTON Play",
        "INPUT Position in the track",
        "AUDIO",
        "A 0:00",
        "A Download",
        "SUMMARY Embed this track",
    ]
    expected += ["TEXTAREA Code that embeds", "SUMMARY Report this track", "SELECT reason", "TEXTAREA details"]
    expected += ["INPUT email", "BUTTON Send the report", "A Made with Libretto", "A Content policy"]
    places = [next((at for at, one in enumerate(seen) if one.startswith(name)), -1) for name in expected]
    assert -1 not in places, seen
    assert places == sorted(places), seen


async def test_report_is_sent_by_the_browser(tab: Page, studio: Studio, track: Track) -> None:
    await tab.send("Emulation.setScriptExecutionDisabled", value=True)
    await tab.send("Page.navigate", url=f"{studio.url}/share/{track.slug}")
    await until(lambda: tab.ask("document.readyState == 'complete'"), "the page is there")
    await tab.ask(
        "document.querySelector('#reason').value = 'RIGHTS'; document.querySelector('#details').value = 'Mine';"
        "document.querySelector('form').requestSubmit()"
    )
    await until(lambda: tab.ask("document.querySelector('h1')?.textContent == 'Thank you'"), "thanks")
    (report,) = await Report.filter(track_id=track.id)
    assert (report.reason, report.details) == ("RIGHTS", "Mine")
    await tab.send("Emulation.setScriptExecutionDisabled", value=False)
