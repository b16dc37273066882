# SPDX-License-Identifier: Apache-2.0
"""Opens every page of build/docs/html, and README.md as GitHub shows it, in headless Chromium.

Each page is opened 1280 and 390 pixels wide, in light and in dark mode. Nothing may be wider than
the window, no code or table wider than its column (a phone scrolls tables, and GitHub scrolls
code), every picture must load, an image for one mode must be hidden in the other, and links must
lead somewhere within the site. The search must find a word.

python docs/check_pages.py [--screenshots FOLDER] [PAGE ...]     # `make check-pages`
"""

import argparse
import functools
import html
import os
import pathlib
import re
import shutil
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
SITE = ROOT / "build" / "docs" / "html"
README = ROOT / "build" / "docs" / "README.html"
WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
# Pages that Sphinx makes, without text of ours.
SKIPPED = {"genindex.html", "search.html", "py-modindex.html"}

# Columns, fonts and code of GitHub's page of a repository.
GITHUB = """
body { margin: 0 auto; max-width: 830px; padding: 16px; font: 16px/1.5 "DejaVu Sans", sans-serif;
  overflow-wrap: break-word; color: #1f2328; background: #fff; }
h1, h2 { border-bottom: 1px solid #d1d9e0; padding-bottom: .3em; }
a { color: #0969da; text-decoration: none; } img { max-width: 100%; }
code { font: 85% "DejaVu Sans Mono", monospace; background: #818b981f; padding: .2em .4em; }
pre { background: #f6f8fa; padding: 16px; border-radius: 6px; overflow: auto; line-height: 1.45; }
pre code { background: none; padding: 0; }
table { display: block; width: max-content; max-width: 100%; overflow: auto; }
table { border-collapse: collapse; }
td, th { border: 1px solid #d1d9e0; padding: 6px 13px; }
@media (prefers-color-scheme: dark) {
  body { color: #f0f6fc; background: #0d1117; } a { color: #4493f8; } pre { background: #151b23; }
  h1, h2, td, th { border-color: #3d444d; }
}
"""

MEASURE = """() => {
  document.querySelectorAll("details").forEach(each => each.open = true);
  const found = [], seen = each => each.checkVisibility() && each.getClientRects().length > 0;
  const root = document.documentElement;
  const scrolls = document.body.className === "github" && root.clientWidth < 500;
  if (root.scrollWidth > root.clientWidth)
    found.push(`the page is ${root.scrollWidth} pixels wide`);
  for (const pre of document.querySelectorAll("pre"))
    if (!scrolls && seen(pre) && pre.scrollWidth > pre.clientWidth + 1)
      found.push(`code of ${pre.scrollWidth} pixels in ${pre.clientWidth}: `
        + pre.innerText.split("\\n").sort((a, b) => b.length - a.length)[0].trim());
  if (root.clientWidth > 1000)
    for (const table of document.querySelectorAll(".table-wrapper"))
      if (seen(table) && table.scrollWidth > table.clientWidth + 1)
        found.push(`a table of ${table.scrollWidth} pixels in ${table.clientWidth}: `
          + table.innerText.split("\\n")[0]);
  for (const image of document.images) {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    if (image.classList.contains("only-light") && seen(image) === dark
        || image.classList.contains("only-dark") && seen(image) !== dark)
      found.push(`${image.src} is shown in the wrong mode`);
    if (seen(image) && image.naturalWidth === 0) found.push(`${image.src} was not loaded`);
  }
  return found;
}"""
COLOURS = "() => getComputedStyle(document.body).backgroundColor"


def write_readme():
    from markdown_it import MarkdownIt

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    body = re.sub(r"<h2>(.*?)</h2>", heading_with_id, body)
    body = re.sub(r'(src|srcset)="docs/', r'\1="../../docs/', body)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    README.write_text(
        f"<!doctype html>{head}<style>{GITHUB}</style><body class=github>{body}", encoding="utf-8"
    )


def heading_with_id(match):
    place = re.sub(r"[^\w-]", "", match[1].lower().replace(" ", "-"))
    return f'<h2 id="{place}">{match[1]}</h2>'


def pages():
    return [README, *(page for page in sorted(SITE.rglob("*.html")) if page.name not in SKIPPED)]


def name_of(page):
    return "README" if page == README else str(page.relative_to(SITE).with_suffix(""))


@functools.cache
def targets(page):
    """The addresses that a page has, and the places in it that an address may name."""
    text = html.unescape(page.read_text(encoding="utf-8"))
    addresses = set(re.findall(r'<a [^>]*?href="([^"]+)"', text))
    return addresses, set(re.findall(r'\bid="([^"]+)"', text))


def broken_links(page):
    for link in sorted(targets(page)[0]):
        address = urllib.parse.urlsplit(link)
        if address.scheme:
            continue
        base = ROOT if page == README else page.parent
        path = urllib.parse.unquote(address.path)
        file = pathlib.Path(os.path.normpath(base / path)) if path else page
        if not file.exists():
            yield f"{link} leads nowhere"
        elif (
            address.fragment and file.suffix == ".html" and address.fragment not in targets(file)[1]
        ):
            yield f"{link}: no such place on that page"


def look(browser, chosen, folder):
    """Yields what is wrong with each page."""
    for scheme in SCHEMES:
        for width in WIDTHS:
            view = {"width": width, "height": 900}
            page = browser.new_page(viewport=view, color_scheme=scheme)
            for file in chosen:
                page.goto(file.as_uri())
                if folder:
                    name = f"{name_of(file).replace('/', '-')}-{width}-{scheme}.png"
                    page.screenshot(path=folder / name, full_page=True)
                where = f"{name_of(file)}, {width} pixels, {scheme}"
                yield from (f"{where}: {what}" for what in page.evaluate(MEASURE))
                colour = [int(each) for each in re.findall(r"\d+", page.evaluate(COLOURS))[:3]]
                if (sum(colour) > 384) != (scheme == "light"):
                    yield f"{where}: the background is {colour}"
            page.close()


def search(browser):
    """Yields a fault unless the site's own search finds a page."""
    page = browser.new_page()
    page.goto(f"{(SITE / 'search.html').as_uri()}?q=letterbox")
    try:
        page.wait_for_selector("#search-results li a", timeout=20_000)
    except Exception as error:  # playwright's
        yield f"search: {error}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--screenshots", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("pages", nargs="*", help="such as README, index, how-to/video")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        return "no chromium on PATH: apt-get install chromium"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return "no playwright: pip install playwright==1.65.2 (it drives Debian's chromium)"
    if not SITE.is_dir():
        return f"no {SITE.relative_to(ROOT)}: make docs"
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    write_readme()
    chosen = [page for page in pages() if not arguments.pages or name_of(page) in arguments.pages]
    wrong = [f"{name_of(page)}: {what}" for page in chosen for what in broken_links(page)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        wrong += look(browser, chosen, arguments.screenshots)
        wrong += search(browser)
        browser.close()
    print("\n".join(wrong))
    views = len(WIDTHS) * len(SCHEMES)
    print(f"{len(chosen)} pages in {views} views each: {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
