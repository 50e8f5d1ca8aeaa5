"""Drawings that try something, each under the name of what it tries; all must come out harmless or be refused."""

from base64 import b64encode

NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
EVIL = "http://evil.test"
NESTED = b64encode(b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>').decode()
PAGE = b64encode(b"<script>alert(1)</script>").decode()
RECT = '<rect width="100" height="100"/>'


def drawing(inside: str, root: str = "") -> bytes:
    """These elements in a drawing of a hundred by a hundred."""
    return f'<svg {NAMESPACES} viewBox="0 0 100 100"{root}>{inside}</svg>'.encode()


def shape(attributes: str) -> bytes:
    return drawing(f'<rect width="100" height="100" {attributes}/>')


def link(target: str, name: str = "href", inside: str = RECT) -> bytes:
    return drawing(f'<a {name}="{target}">{inside}</a>')


SCRIPTS = {
    "script": drawing("<script>alert(1)</script>"),
    "script from elsewhere": drawing(f'<script href="{EVIL}/x.js"/>'),
    "script from elsewhere by xlink": drawing(f'<script xlink:href="{EVIL}/x.js"/>'),
    "script with a prefix": drawing('<x:script xmlns:x="http://www.w3.org/2000/svg">alert(1)</x:script>'),
    "script of HTML": drawing('<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>'),
    "script in capitals": drawing("<SCRIPT>alert(1)</SCRIPT>"),
    "script in character data": drawing("<script><![CDATA[alert(1)]]></script>"),
    "script in a script": drawing("<script><script>alert(1)</script></script>" + RECT),
    "script in a title, escaped": drawing("<title>&lt;script>alert(1)&lt;/script></title>"),
    "script in a title, as character data": drawing("<title><![CDATA[</title><script>alert(1)</script>]]></title>"),
    "script in a description": drawing("<desc><script>alert(1)</script></desc>"),
    "script in metadata": drawing("<metadata><script>alert(1)</script></metadata>"),
    "script in a dropped filter": drawing("<feImage><script>alert(1)</script></feImage>"),
    "end of the page in a text": drawing("<text>&lt;/text>&lt;/svg>&lt;img src=x onerror=alert(1)></text>"),
    "end of a comment in a text": drawing("<!-- > --><text><![CDATA[--><img src=x onerror=alert(1)>]]></text>"),
    "handler and listener": drawing('<handler type="text/javascript">alert(1)</handler><listener event="click"/>'),
}
EVENTS = {
    "load": drawing(RECT, ' onload="alert(1)"'),
    "load of a shape": shape('onload="alert(1)"'),
    "load in capitals": drawing(RECT, ' OnLoad="alert(1)"'),
    "click": shape('onclick="alert(1)"'),
    "mouse over": shape('onmouseover="alert(1)" onpointerenter="alert(1)" onmousemove="alert(1)"'),
    "focus": shape('tabindex="0" autofocus="" onfocus="alert(1)" onfocusin="alert(1)"'),
    "error of an image": drawing('<image href="x:x" onerror="alert(1)"/>'),
    "begin of an animation": drawing('<animate attributeName="x" dur="1s" begin="0s" onbegin="alert(1)"/>'),
    "end of an animation": drawing('<set attributeName="x" to="1" dur="1ms" onend="alert(1)" onrepeat="alert(1)"/>'),
    "event with a prefix": shape('xmlns:q="urn:q" q:onclick="alert(1)"'),
    "event in an animation": drawing(f'{RECT}<set attributeName="onmouseover" to="alert(1)"/>'),
    "animation event of CSS": shape('style="animation:x 1ms" onanimationend="alert(1)"'),
}
LINKS = {
    "javascript": link("javascript:alert(1)"),
    "javascript by xlink": link("javascript:alert(1)", "xlink:href"),
    "javascript by another prefix": drawing(
        f'<a xmlns:q="http://www.w3.org/1999/xlink" q:href="javascript:alert(1)">{RECT}</a>'
    ),
    "javascript with an entity and a tab": link("javascript&#9;:alert(1)"),
    "javascript in pieces": link("java&#10;script&#x3a;alert(1)"),
    "javascript after control characters": link("&#x9;&#x20;javascript:alert(1)"),
    "javascript in mixed case": link("jAvAsCrIpT:alert(1)"),
    "mixed case of the attribute": link("javascript:alert(1)", "xlink:hReF"),
    "two links, one shadows": drawing(f'<a href="#a" xlink:href="javascript:alert(1)">{RECT}</a>'),
    "two links, the other shadows": drawing(f'<a xlink:href="#a" href="javascript:alert(1)">{RECT}</a>'),
    "vbscript": link("vbscript:msgbox(1)"),
    "page as data": link(f"data:text/html;base64,{PAGE}"),
    "link for phishing": link(f"{EVIL}/login", inside="<text y='50'>Sign in again</text>"),
    "link in a text": drawing(f'<text y="50"><a href="{EVIL}"><tspan>free</tspan></a></text>'),
    "ping of a link": drawing(f'<a href="#x" ping="{EVIL}" target="_top">{RECT}</a>'),
    "animated link": drawing(f'<a>{RECT}<animate attributeName="href" values="javascript:alert(1)"/></a>'),
    "set link": drawing(f'<a>{RECT}<set attributeName="xlink:href" to="javascript:alert(1)"/></a>'),
    "base": drawing(f'<use href="#x"/>{RECT}', f' xml:base="{EVIL}/"'),
    "action of a form": drawing(f'<form xmlns="http://www.w3.org/1999/xhtml" action="{EVIL}"><input/></form>'),
}
FETCHES = {
    "image from elsewhere": drawing(f'<image href="{EVIL}/a.png" width="9" height="9"/>'),
    "image by xlink": drawing(f'<image xlink:href="{EVIL}/a.png" width="9" height="9"/>'),
    "image without a scheme": drawing('<image href="//evil.test/a.png" width="9" height="9"/>'),
    "image of this site": drawing('<image href="/graphql?query={me{id}}" width="9" height="9"/>'),
    "image from the disk": drawing('<image href="file:///etc/passwd" width="9" height="9"/>'),
    "image by path": drawing('<image href="/etc/hostname.png" width="9" height="9"/>'),
    "SVG as data": drawing(f'<image href="data:image/svg+xml;base64,{NESTED}" width="9" height="9"/>'),
    "page that says it is a PNG": drawing(f'<image href="data:image/png;base64,{PAGE}" width="9" height="9"/>'),
    "use of a drawing elsewhere": drawing(f'<use href="{EVIL}/a.svg#a"/>'),
    "use of this site": drawing('<use href="/media/a.svg#a"/>'),
    "use of data": drawing(f'<use href="data:image/svg+xml;base64,{NESTED}#x"/>'),
    "picture of a filter": drawing(f'<filter id="f"><feImage href="{EVIL}/a"/></filter><rect filter="url(#f)"/>'),
    "gradient from elsewhere": drawing(f'<linearGradient id="g" href="{EVIL}/a.svg#g"/>{RECT}'),
    "path of a text from elsewhere": drawing(f'<text><textPath href="{EVIL}/a.svg#a">a</textPath></text>'),
    "fill from elsewhere": shape(f'fill="url({EVIL}/a.svg#g)"'),
    "fill with a fallback from elsewhere": shape(f'fill="url(#a) url({EVIL}/a.svg#g)"'),
    "filter from elsewhere": shape(f'filter="url({EVIL}/a.svg#f)"'),
    "mask from elsewhere": shape(f'mask="url({EVIL}/a.png)"'),
    "clip from elsewhere": shape(f"clip-path=\"url('{EVIL}/a.svg#c')\""),
    "marker from elsewhere": drawing(f'<path d="M0 0L9 9" marker-end="url({EVIL}/a.svg#m)"/>'),
    "cursor from elsewhere": shape(f'cursor="url({EVIL}/a.cur),auto"'),
    "style sheet": drawing(f"<style>@import url({EVIL}/a.css);</style>{RECT}"),
    "style sheet with a picture": drawing(f"<style>rect{{fill:red;background:url({EVIL}/a)}}</style>{RECT}"),
    "font from elsewhere": drawing(
        f"<style>@font-face{{font-family:q;src:url({EVIL}/a)}}</style><text style='font-family:q'>a</text>"
    ),
    "style with a picture": drawing(RECT, f' style="background:url({EVIL}/a)"'),
    "style with a mask": shape(f'style="mask-image:url({EVIL}/a);mask:url({EVIL}/b)"'),
    "style in escapes": shape(f'style="fill:\\75rl({EVIL}/a.svg#a);f\\69lter:url({EVIL}/b#f)"'),
    "style in comments": shape(f'style="fill:u/**/rl({EVIL}/a.svg#a);filter:/*;*/url({EVIL}/b#f)"'),
    "style with a quoted semicolon": shape(f"style=\"font-family:';fill:url({EVIL}/a#b)';filter:url({EVIL}/b#f)\""),
    "style with an image set": shape(f"style=\"mask-image:image-set('{EVIL}/a' 1x);content:url({EVIL}/c)\""),
    "style of Internet Explorer": shape(
        "style=\"width:expression(alert(1));behavior:url(#a);-moz-binding:url('//e#x')\""
    ),
    "style sheet of the page": drawing(
        f'<link xmlns="http://www.w3.org/1999/xhtml" rel="stylesheet" href="{EVIL}/a"/>'
    ),
    "XInclude": drawing('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>'),
    "colour profile": drawing(f'<color-profile name="q" href="{EVIL}/a"/>{RECT}'),
}
PAGES = {
    "foreign object": drawing(
        '<foreignObject width="9" height="9"><body xmlns="http://www.w3.org/1999/xhtml" '
        'onload="alert(1)"><img src="x" onerror="alert(1)"/></body></foreignObject>'
    ),
    "frame": drawing(f'<iframe xmlns="http://www.w3.org/1999/xhtml" src="{EVIL}"/>'),
    "frame by data": drawing(
        f'<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" srcdoc="{PAGE}"/></foreignObject>'
    ),
    "object and embed": drawing(f'<object xmlns="http://www.w3.org/1999/xhtml" data="{EVIL}"/><embed src="{EVIL}"/>'),
    "audio and video": drawing(f'<audio href="{EVIL}/a" autoplay=""/><video xlink:href="{EVIL}/b"/>'),
    "image of HTML": drawing(f'<img xmlns="http://www.w3.org/1999/xhtml" src="{EVIL}/a" onerror="alert(1)"/>'),
    "image of HTML without a namespace": drawing(f'<img xmlns="" src="{EVIL}/a" onerror="alert(1)"/>'),
    "refresh": drawing(f'<meta xmlns="http://www.w3.org/1999/xhtml" http-equiv="refresh" content="0;url={EVIL}"/>'),
    "way out of the drawing": drawing("<p><style><img src='x' onerror='alert(1)'/></style></p>"),
    "discard": drawing('<discard begin="0s" href="#x" onbegin="alert(1)"/>'),
    "name of a global": drawing('<g id="cookie"><use href="#cookie2"/></g><g id="cookie2"/>'),
    "out of its box": drawing(RECT, ' overflow="visible" transform="translate(-500)" style="position:fixed;inset:0"'),
    "instruction": b'<?xml-stylesheet href="http://evil.test/a.css"?>' + drawing(RECT),
    "instruction inside": drawing(f'<?xml-stylesheet type="text/xsl" href="{EVIL}/a.xsl"?>{RECT}'),
}
HARMFUL = {
    f"{family}: {name}": svg
    for family, drawings in {"script": SCRIPTS, "event": EVENTS, "link": LINKS, "fetch": FETCHES, "page": PAGES}.items()
    for name, svg in drawings.items()
}


def levels(count: int, draw: str, group: str = "g") -> str:
    """Groups of which each draws the one before it ten times; `draw` has a % where that one's number goes."""
    inside = [RECT, *((draw % (at - 1)) * 10 for at in range(1, count))]
    return "".join(f'<{group} id="l{at}">{content}</{group}>' for at, content in enumerate(inside))


LAUGHS = "".join(f"<!ENTITY l{at} '" + f"&l{at - 1};" * 10 + "'>" for at in range(1, 10))
BY_USE = '<use href="#l%d"/>'
BY_MASK = '<rect mask="url(#l%d)" width="9" height="9"/>'
BY_MARKER = '<path marker-mid="url(#l%d)" d="M0 0L1 1L2 2"/>'

HEAVY = {
    "document type": ("DOCTYPE", b"<!DOCTYPE svg>" + drawing(RECT)),
    "document type from elsewhere": ("DOCTYPE", b'<!DOCTYPE svg SYSTEM "http://evil.test/a.dtd">' + drawing(RECT)),
    "entity from the disk": (
        "DOCTYPE",
        b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + drawing("<text>&x;</text>"),
    ),
    "parameter entity": ("DOCTYPE", b'<!DOCTYPE svg [<!ENTITY % x SYSTEM "http://evil.test/a"> %x;]>' + drawing(RECT)),
    "billion laughs": (
        "DOCTYPE",
        f'<!DOCTYPE svg [<!ENTITY l0 "ha">{LAUGHS}]>'.encode() + drawing("<text>&l9;</text>"),
    ),
    "default attribute": ("DOCTYPE", b'<!DOCTYPE svg [<!ATTLIST rect onclick CDATA "alert(1)">]>' + drawing(RECT)),
    "unknown entity": ("NOT_WELL_FORMED", drawing("<text>&nbsp;</text>")),
    "page after the drawing": ("NOT_WELL_FORMED", drawing(RECT) + b"<script>alert(1)</script>"),
    "second drawing": ("NOT_WELL_FORMED", drawing(RECT) * 2),
    "unclosed": ("NOT_WELL_FORMED", drawing("<g>")),
    "one attribute twice": ("NOT_WELL_FORMED", shape('fill="red" fill="url(//evil.test/a)"')),
    "unknown prefix": ("NOT_WELL_FORMED", drawing('<use x:href="#a"/>')),
    "nothing": ("NOT_WELL_FORMED", b""),
    "UTF-16": ("NOT_UTF8", drawing("<script>alert(1)</script>").decode().encode("utf-16")),
    "UTF-16 without a mark": ("NOT_UTF8", drawing("<script>alert(1)</script>").decode().encode("utf-16-be")),
    "UTF-32": ("NOT_UTF8", drawing(RECT).decode().encode("utf-32")),
    "UTF-7": ("NOT_UTF8", b'<?xml version="1.0" encoding="UTF-7"?>' + drawing("+ADw-script+AD4-alert(1)")),
    "Latin 1": ("NOT_UTF8", b'<?xml version="1.0" encoding="ISO-8859-1"?>' + drawing("<text>a</text>")),
    "broken UTF-8": ("NOT_UTF8", drawing("<text>%s</text>").replace(b"%s", b"\xc0\xbcscript>")),
    "compressed": ("NOT_UTF8", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"),
    "page": ("NOT_SVG", b"<html><body onload='alert(1)'/></html>"),
    "SVG without its namespace": ("NOT_SVG", b'<svg viewBox="0 0 1 1"/>'),
    "group at the root": ("NOT_SVG", b'<g xmlns="http://www.w3.org/2000/svg"/>'),
    "byte too many": ("TOO_LARGE", drawing(" " * (1 << 20))),
    "output that grows": ("TOO_LARGE", drawing(f"<text><![CDATA[{'<' * 400_000}]]></text>")),
    "endless sheet": ("NO_DIMENSIONS", b'<svg xmlns="http://www.w3.org/2000/svg" width="1e308" height="1e308"/>'),
    "sheet that is no number": ("NO_DIMENSIONS", b'<svg xmlns="http://www.w3.org/2000/svg" width="NaN" height="9"/>'),
    "flat sheet": ("NO_DIMENSIONS", b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 0 9"/>'),
    "many elements": ("TOO_MANY_ELEMENTS", drawing("<g/>" * 5_001)),
    "many elements that would go": ("TOO_MANY_ELEMENTS", drawing("<script/>" * 5_001)),
    "deep": ("TOO_DEEP", drawing("<g>" * 100_000)),
    "deep in what would go": ("TOO_DEEP", drawing("<x>" * 100_000)),
    "chain of uses": (
        "TOO_DEEP",
        drawing("".join(f'<g id="a{at}"><use href="#a{at + 1}"/></g>' for at in range(2_000))),
    ),
    "laughs by use": ("TOO_MUCH_DRAWING", drawing(levels(9, BY_USE))),
    "laughs by use that nobody draws": ("TOO_MUCH_DRAWING", drawing(f"<defs>{levels(9, BY_USE)}</defs>")),
    "laughs by mask": ("TOO_MANY_EFFECTS", drawing(levels(7, BY_MASK, "mask"))),
    "laughs by marker": ("TOO_MUCH_DRAWING", drawing(levels(5, BY_MARKER, "marker"))),
    "marker handed down": (
        "TOO_MUCH_DRAWING",
        drawing(
            f'<marker id="m">{RECT * 50}</marker><g marker-mid="url(#m)">' + '<path d="M0 0L1 1L2 2"/>' * 50 + "</g>"
        ),
    ),
    "many filters": (
        "TOO_MANY_EFFECTS",
        drawing(
            '<filter id="f"><feGaussianBlur stdDeviation="9"/></filter>'
            + '<rect width="9" height="9" filter="url(#f)"/>' * 30
        ),
    ),
    "filters by use": (
        "TOO_MANY_EFFECTS",
        drawing(
            '<filter id="f"><feTurbulence numOctaves="5"/></filter><g id="g" filter="url(#f)"/>'
            + '<use href="#g"/>' * 30
        ),
    ),
    "many layers": ("TOO_MANY_EFFECTS", drawing('<g opacity=".5"><rect/></g>' * 501)),
    "use of itself": ("REFERENCE_LOOP", drawing('<g id="a"><use href="#a"/></g>')),
    "circle of gradients": (
        "REFERENCE_LOOP",
        drawing('<linearGradient id="a" href="#b"/><linearGradient id="b" href="#a"/>'),
    ),
    "mask of itself": ("REFERENCE_LOOP", drawing(f'<mask id="m"><g mask="url(#m)">{RECT}</g></mask>')),
}
