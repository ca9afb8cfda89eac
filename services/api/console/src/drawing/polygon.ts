/** (x, y) from the top left corner, as a fraction of the picture's width and height. */
export type Point = [number, number];
export type Polygon = Point[];

/** The api takes 3 to 64 corners, and no outline that holds less than this share of the picture (4 pixels of 768×576). */
const FEWEST_CORNERS = 3;
export const MOST_CORNERS = 64;
const SMALLEST_AREA = 1e-5;

/** Points closer than this are one point: a hundredth of a pixel. */
const SAME = 1e-5;

export type Fault = "crossing" | "small";

/** Why the api would refuse this outline, or null. */
export function fault(polygon: Polygon): Fault | null {
  if (crossingEdges(polygon).size > 0) return "crossing";
  return area(polygon) < SMALLEST_AREA ? "small" : null;
}

/** Indexes of the edges (edge i goes from corner i to the next) that cross or touch another one they may not. */
export function crossingEdges(polygon: Polygon): Set<number> {
  const found = new Set<number>();
  const count = polygon.length;
  for (let first = 0; first < count; first += 1) {
    for (let second = first + 1; second < count; second += 1) {
      if (!mayNotMeet(polygon, first, second)) continue;
      found.add(first);
      found.add(second);
    }
  }
  return found;
}

/** Area enclosed, as a share of the picture (shoelace formula). */
export function area(polygon: Polygon): number {
  const doubled = polygon.reduce((sum, [x, y], index) => {
    const [nextX, nextY] = corner(polygon, index + 1);
    return sum + x * nextY - nextX * y;
  }, 0);
  return Math.abs(doubled) / 2;
}

export function moveCorner(polygon: Polygon, index: number, to: Point): Polygon {
  return polygon.map((point, each) => (each === index ? inside(to) : point));
}

/** A new corner in the middle of the edge after corner `index`; it gets the index `index + 1`. */
export function insertCorner(polygon: Polygon, index: number): Polygon {
  if (polygon.length >= MOST_CORNERS) return polygon;
  return [...polygon.slice(0, index + 1), inside(middle(polygon, index)), ...polygon.slice(index + 1)];
}

/** Without corner `index`, unless too few would remain. */
export function removeCorner(polygon: Polygon, index: number): Polygon {
  return polygon.length <= FEWEST_CORNERS ? polygon : polygon.filter((_, each) => each !== index);
}

/** Middle of the edge after corner `index`. */
export function middle(polygon: Polygon, index: number): Point {
  const [x1, y1] = corner(polygon, index);
  const [x2, y2] = corner(polygon, index + 1);
  return [(x1 + x2) / 2, (y1 + y2) / 2];
}

/** Where a new shape begins when it is not drawn by hand: the middle, each a little beside the one before. */
export function newRectangle(already: number): Polygon {
  const shift = (already % 5) * 0.04;
  const [left, top, right, bottom] = [0.35 + shift, 0.35 + shift, 0.55 + shift, 0.55 + shift];
  return [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
  ];
}

/** Inside the picture, and no finer than the api needs. */
export function inside([x, y]: Point): Point {
  const bound = (value: number) => Math.round(Math.min(1, Math.max(0, value)) * 1e5) / 1e5;
  return [bound(x), bound(y)];
}

function corner(polygon: Polygon, index: number): Point {
  return polygon[index % polygon.length] ?? [0, 0];
}

function mayNotMeet(polygon: Polygon, first: number, second: number): boolean {
  const [a, b] = [corner(polygon, first), corner(polygon, first + 1)];
  const [c, d] = [corner(polygon, second), corner(polygon, second + 1)];
  if (isSame(a, b) || isSame(c, d)) return true;
  if (second === first + 1) return foldsBack(a, b, d);
  if (first === 0 && second === polygon.length - 1) return foldsBack(c, d, b);
  return meet(a, b, c, d);
}

/** Whether from → via → to turns straight back over itself. */
function foldsBack(from: Point, via: Point, to: Point): boolean {
  const along = (via[0] - from[0]) * (to[0] - via[0]) + (via[1] - from[1]) * (to[1] - via[1]);
  return along < 0 && side(from, via, to) === 0;
}

function meet(a: Point, b: Point, c: Point, d: Point): boolean {
  const [sideC, sideD, sideA, sideB] = [side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b)];
  if (sideC !== sideD && sideA !== sideB) return true;
  return (
    (sideC === 0 && isBetween(a, b, c)) ||
    (sideD === 0 && isBetween(a, b, d)) ||
    (sideA === 0 && isBetween(c, d, a)) ||
    (sideB === 0 && isBetween(c, d, b))
  );
}

/** On which side of the line from → to the point lies: 1, -1, or 0 for on it. */
function side(from: Point, to: Point, point: Point): number {
  const cross = (to[0] - from[0]) * (point[1] - from[1]) - (to[1] - from[1]) * (point[0] - from[0]);
  return Math.abs(cross) < SAME * SAME ? 0 : Math.sign(cross);
}

function isBetween(from: Point, to: Point, [x, y]: Point): boolean {
  return (
    x >= Math.min(from[0], to[0]) &&
    x <= Math.max(from[0], to[0]) &&
    y >= Math.min(from[1], to[1]) &&
    y <= Math.max(from[1], to[1])
  );
}

function isSame(a: Point, b: Point): boolean {
  return Math.abs(a[0] - b[0]) < SAME && Math.abs(a[1] - b[1]) < SAME;
}
