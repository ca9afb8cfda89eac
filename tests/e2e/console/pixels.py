"""What a picture on the screen really shows: the number burned into the test pattern."""

from __future__ import annotations

import base64

import numpy as np
from playwright.sync_api import Locator

from beffroi_common import pattern

READ = """element => {
  const width = element.videoWidth ?? element.width, height = element.videoHeight ?? element.height;
  if (!width || !height) return null;
  const canvas = new OffscreenCanvas(width, height), drawing = canvas.getContext('2d');
  drawing.drawImage(element, 0, 0);
  const rgba = drawing.getImageData(0, 0, width, height).data;
  let green = '';
  for (let at = 1; at < rgba.length; at += 4) green += String.fromCharCode(rgba[at]);
  return { width, height, green: btoa(green) };
}"""


def number_on(picture: Locator) -> int | None:
    """The number that a canvas or a video shows; None when it shows no picture of the pattern."""
    read = picture.evaluate(READ)
    if read is None:
        return None
    luma = np.frombuffer(base64.b64decode(read["green"]), dtype=np.uint8)
    return pattern.read(luma.reshape(read["height"], read["width"]))
