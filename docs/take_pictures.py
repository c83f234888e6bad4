"""Take the pictures of a report that README.md shows: python docs/take_pictures.py RUN.

They need chromium, chromedriver and the packages of `make test`. README's are of the run that
`make demo` leaves, with the font Inter installed.
"""

from __future__ import annotations

import base64
import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

FOLDER = Path(__file__).parent
HEIGHT, SCALE = 1560, 1.5  # of what is shown, in CSS pixels, and pixels each
COLOURS = 128
KINDS = {"light": (1240, "light"), "dark": (1240, "dark"), "phone": (390, "light")}


def main() -> None:
    """Write one picture a kind of paper and width."""
    page = (Path(sys.argv[1]) / "report.html").absolute().as_uri()
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(argument)
    with webdriver.Chrome(options, Service(shutil.which("chromedriver"))) as browser:
        for kind, (width, scheme) in KINDS.items():
            size = {"width": width, "height": 900, "deviceScaleFactor": SCALE, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            browser.get(page)
            clip = {"x": 0, "y": 0, "width": width, "height": HEIGHT, "scale": 1}
            asked = {"format": "png", "captureBeyondViewport": True, "clip": clip}
            taken = browser.execute_cdp_cmd("Page.captureScreenshot", asked)
            picture = Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")
            few = picture.quantize(
                COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
            )
            few.save(FOLDER / f"report-{kind}.png", optimize=True)


if __name__ == "__main__":
    main()
