import { expect, test } from "vitest";

import { shown } from "../src/drawing/shown";

const SAMPLES = { width: 704, height: 576 };
const DRAWN_ON = { ...SAMPLES, cropped_left: 0, cropped_top: 0 };

test.each([
  [null, 704 / 576],
  [{ ...DRAWN_ON, pixel_aspect: 1 }, 704 / 576],
  [{ ...DRAWN_ON, pixel_aspect: 12 / 11 }, 4 / 3],
  [{ ...DRAWN_ON, pixel_aspect: 16 / 11 }, 16 / 9],
])("a picture is drawn on in the shape in which it is seen", (drawnOn, aspect) => {
  const { width, height } = shown(SAMPLES, drawnOn);
  expect(width / height).toBeCloseTo(aspect);
});
