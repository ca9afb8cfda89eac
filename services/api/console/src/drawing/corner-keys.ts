import { insertCorner, moveCorner, removeCorner, type Polygon } from "./polygon";

/** One press of an arrow: about a pixel and a half of a 768 pixel wide picture. */
const STEP = 0.002;

/** With Shift: far enough to cross the picture in fifty presses. */
const FAST = 10;

const DIRECTIONS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** What a key does to the corner that has the focus: the outline afterwards, and the corner to focus. */
export function onCornerKey(
  polygon: Polygon,
  index: number,
  { key, shiftKey }: { readonly key: string; readonly shiftKey: boolean },
): { polygon: Polygon; focus: number } | null {
  const direction = DIRECTIONS[key];
  const point = polygon[index];
  if (direction !== undefined && point !== undefined) {
    const by = shiftKey ? STEP * FAST : STEP;
    return {
      polygon: moveCorner(polygon, index, [point[0] + direction[0] * by, point[1] + direction[1] * by]),
      focus: index,
    };
  }
  // Many keyboards have no Insert: + and Backspace do the same.
  if (key === "Insert" || key === "+") {
    const longer = insertCorner(polygon, index);
    return { polygon: longer, focus: longer === polygon ? index : index + 1 };
  }
  if (key === "Delete" || key === "Backspace") {
    const shorter = removeCorner(polygon, index);
    return { polygon: shorter, focus: Math.min(index, shorter.length - 1) };
  }
  return null;
}
