import { describe, expect, it } from "vitest";

import { onCornerKey } from "../src/drawing/corner-keys";
import {
  crossingEdges,
  fault,
  insertCorner,
  moveCorner,
  newRectangle,
  removeCorner,
  type Polygon,
} from "../src/drawing/polygon";

const SQUARE: Polygon = [
  [0.2, 0.2],
  [0.8, 0.2],
  [0.8, 0.8],
  [0.2, 0.8],
];

describe("an outline", () => {
  const good: [string, Polygon][] = [
    ["a square", SQUARE],
    ["a square the other way round", [...SQUARE].reverse()],
    ["a triangle", SQUARE.slice(0, 3)],
    [
      "an L",
      [
        [0, 0],
        [1, 0],
        [1, 0.3],
        [0.3, 0.3],
        [0.3, 1],
        [0, 1],
      ],
    ],
    [
      "the whole picture",
      [
        [0, 0],
        [1, 0],
        [1, 1],
        [0, 1],
      ],
    ],
    ["a corner in the middle of a straight side", insertCorner(SQUARE, 0)],
  ];
  it.each(good)("%s is accepted", (_name, polygon) => {
    expect(fault(polygon)).toBeNull();
  });

  const crossing: [string, Polygon][] = [
    [
      "a bow tie",
      [
        [0, 0],
        [1, 1],
        [1, 0],
        [0, 1],
      ],
    ],
    [
      "a star",
      [
        [0.5, 0],
        [0.8, 1],
        [0, 0.4],
        [1, 0.4],
        [0.2, 1],
      ],
    ],
    [
      "a corner on another side",
      [
        [0, 0],
        [1, 0],
        [1, 1],
        [0.5, 0],
        [0, 1],
      ],
    ],
    [
      "two corners in one place",
      [
        [0, 0],
        [1, 0],
        [1, 0],
        [1, 1],
      ],
    ],
    [
      "a figure eight through one corner",
      [
        [0, 0],
        [0.5, 0.5],
        [1, 0],
        [1, 1],
        [0.5, 0.5],
        [0, 1],
      ],
    ],
    [
      "a spike that turns straight back",
      [
        [0, 0],
        [1, 0],
        [0.5, 0],
        [0.5, 1],
      ],
    ],
    [
      "all corners in a line",
      [
        [0, 0],
        [0.5, 0.5],
        [1, 1],
      ],
    ],
  ];
  it.each(crossing)("%s is refused", (_name, polygon) => {
    expect(fault(polygon)).toBe("crossing");
  });

  it("that holds next to nothing is refused", () => {
    expect(
      fault([
        [0.5, 0.5],
        [0.501, 0.5],
        [0.501, 0.501],
      ]),
    ).toBe("small");
  });

  it("shows which sides cross", () => {
    expect(
      [
        ...crossingEdges([
          [0, 0],
          [1, 1],
          [1, 0],
          [0, 1],
        ]),
      ].sort(),
    ).toEqual([0, 2]);
  });
});

describe("changing an outline", () => {
  it("keeps a moved corner inside the picture", () => {
    expect(moveCorner(SQUARE, 0, [-0.5, 1.5])[0]).toEqual([0, 1]);
  });

  it("puts a new corner in the middle of the side, the last side included", () => {
    expect(insertCorner(SQUARE, 3)[4]).toEqual([0.2, 0.5]);
  });

  it("takes corners away down to a triangle, and adds up to 64", () => {
    expect(removeCorner(SQUARE.slice(0, 3), 0)).toHaveLength(3);
    let polygon = SQUARE;
    for (let count = 0; count < 100; count += 1) polygon = insertCorner(polygon, 0);
    expect(polygon).toHaveLength(64);
  });

  it("begins with rectangles that are accepted and do not hide each other", () => {
    const first = Array.from({ length: 5 }, (_, index) => newRectangle(index));
    expect(first.map(fault)).toEqual([null, null, null, null, null]);
    expect(new Set(first.map((polygon) => JSON.stringify(polygon))).size).toBe(5);
  });

  const press = (key: string, shiftKey = false) => onCornerKey(SQUARE, 1, { key, shiftKey });
  it("follows the keys", () => {
    expect(press("ArrowLeft")?.polygon[1]).toEqual([0.798, 0.2]);
    expect(press("ArrowDown", true)?.polygon[1]).toEqual([0.8, 0.22]);
    expect(press("Insert")).toMatchObject({ focus: 2 });
    expect(press("+")?.polygon).toHaveLength(5);
    expect(press("Delete")?.polygon).toEqual([SQUARE[0], SQUARE[2], SQUARE[3]]);
    expect(press("x")).toBeNull();
  });
});
