import { useRef, type KeyboardEvent, type PointerEvent } from "react";
import { useTranslation } from "react-i18next";

import { useFormats } from "../i18n/formats";
import { onCornerKey } from "./corner-keys";
import { crossingEdges, insertCorner, middle, moveCorner, type Point, type Polygon } from "./polygon";

/** Width of the drawing in its own units; heights follow from the picture. */
export const DRAWING_WIDTH = 1000;

const CORNER_RADIUS = 9;

/** WCAG 2.5.8 asks for targets of 24 pixels: with 1000 units on 800 pixels this circle is 32 wide. */
const TARGET_RADIUS = 20;

const MIDDLE_RADIUS = 6;

interface EditorShapeProps {
  readonly label: string;
  readonly tone: string;
  readonly polygon: Polygon;
  readonly height: number;
  readonly isSelected: boolean;
  readonly select: () => void;
  readonly change: (polygon: Polygon) => void;
  /** Where a pointer is in the picture. */
  readonly locate: (event: PointerEvent) => Point;
}

/** One outline with its corners: drag them, or focus one and use the keys. */
export function EditorShape(props: EditorShapeProps) {
  const { label, tone, polygon, height, isSelected, select, change, locate } = props;
  const { t } = useTranslation();
  const formats = useFormats();
  const group = useRef<SVGGElement>(null);
  const crossing = crossingEdges(polygon);
  const at = ([x, y]: Point): Point => [x * DRAWING_WIDTH, y * height];

  const onKeyDown = (event: KeyboardEvent, index: number) => {
    const done = onCornerKey(polygon, index, event);
    if (done === null) return;
    event.preventDefault();
    change(done.polygon);
    // The corners are elements in order: the one to focus is there after the next repaint.
    requestAnimationFrame(() => group.current?.querySelectorAll<SVGElement>(".corner")[done.focus]?.focus());
  };
  const drag = (event: PointerEvent, index: number) => {
    if (event.buttons === 1) change(moveCorner(polygon, index, locate(event)));
  };

  return (
    <g ref={group} role="group" aria-label={label} className="shape" data-tone={tone} data-selected={isSelected}>
      <polygon points={polygon.map((point) => at(point).join(",")).join(" ")} onPointerDown={select} />
      {[...crossing].map((edge) => {
        const [x1, y1] = at(polygon[edge] ?? [0, 0]);
        const [x2, y2] = at(polygon[(edge + 1) % polygon.length] ?? [0, 0]);
        return <line key={edge} className="crossing" x1={x1} y1={y1} x2={x2} y2={y2} />;
      })}
      {polygon.map((_, index) => {
        const [cx, cy] = at(middle(polygon, index));
        return (
          <circle
            key={`middle ${index}`}
            className="middle"
            cx={cx}
            cy={cy}
            r={MIDDLE_RADIUS}
            aria-hidden="true"
            onPointerDown={() => {
              select();
              change(insertCorner(polygon, index));
            }}
          />
        );
      })}
      {polygon.map((point, index) => {
        const [cx, cy] = at(point);
        return (
          <g
            key={index}
            className="corner"
            role="button"
            tabIndex={0}
            aria-roledescription={t("drawing.corner")}
            aria-label={t("drawing.cornerAt", {
              index: index + 1,
              count: polygon.length,
              x: formats.percent(point[0]),
              y: formats.percent(point[1]),
            })}
            onFocus={select}
            onKeyDown={(event) => onKeyDown(event, index)}
            onPointerDown={(event) => {
              event.currentTarget.setPointerCapture(event.pointerId);
              event.currentTarget.focus();
            }}
            onPointerMove={(event) => drag(event, index)}
          >
            <circle className="corner-target" cx={cx} cy={cy} r={TARGET_RADIUS} />
            <circle className="corner-mark" cx={cx} cy={cy} r={CORNER_RADIUS} />
          </g>
        );
      })}
    </g>
  );
}
