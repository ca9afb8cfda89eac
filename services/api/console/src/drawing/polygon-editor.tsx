import { useRef, useState, type PointerEvent } from "react";
import { Button } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { useShortcuts } from "../shell/shortcuts";
import { DRAWING_WIDTH, EditorShape } from "./editor-shape";
import { fault, inside, MOST_CORNERS, newRectangle, type Point, type Polygon } from "./polygon";

/** The whole drawing stays in view beside its buttons. */
const MOST_HEIGHT = "70dvh";

export interface Shape {
  readonly key: string;
  readonly label: string;
  readonly polygon: Polygon;
}

interface PolygonEditorProps {
  readonly label: string;
  readonly tone: "mask" | "zone";
  readonly shapes: readonly Shape[];
  /** Outlines that belong to something else, shown to find one's way. */
  readonly others: readonly Polygon[];
  readonly picture: { readonly url: string | null; readonly width: number; readonly height: number };
  readonly selected: string | null;
  readonly select: (key: string) => void;
  readonly change: (key: string, polygon: Polygon) => void;
  readonly add: (polygon: Polygon) => void;
  readonly mostShapes: number;
}

/** Outlines on a still, or on a grid where there is none. Works by mouse and by keys alone. */
export function PolygonEditor(props: PolygonEditorProps) {
  const { label, tone, shapes, others, picture, selected, select, change, add, mostShapes } = props;
  const { t } = useTranslation();
  const svg = useRef<SVGSVGElement>(null);
  const [draft, setDraft] = useState<Polygon | null>(null);
  const height = (DRAWING_WIDTH * picture.height) / picture.width;
  const isFull = shapes.length >= mostShapes;

  const finish = () => {
    if (draft !== null && draft.length >= 3) add(draft);
    setDraft(null);
  };
  useDrawingShortcuts(draft !== null, finish, () => setDraft(null));

  const locate = (event: PointerEvent): Point => {
    const toDrawing = svg.current?.getScreenCTM()?.inverse();
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(toDrawing);
    return inside([x / DRAWING_WIDTH, y / height]);
  };

  return (
    <div className="editor">
      <div className="actions">
        <Button className="button" isDisabled={isFull || draft !== null} onPress={() => setDraft([])}>
          {t("drawing.draw")}
        </Button>
        <Button
          className="button"
          isDisabled={isFull || draft !== null}
          onPress={() => add(newRectangle(shapes.length))}
        >
          {t("drawing.addRectangle")}
        </Button>
        {draft !== null && (
          <>
            <Button className="button button-main" isDisabled={draft.length < 3} onPress={finish}>
              {t("drawing.finish")}
            </Button>
            <Button className="button" onPress={() => setDraft(null)}>
              {t("drawing.cancel")}
            </Button>
          </>
        )}
      </div>
      <p className="muted small" id={`${tone}-how`}>
        {draft === null ? t("drawing.how") : t("drawing.howDraft")}
      </p>
      <svg
        ref={svg}
        className="drawing"
        viewBox={`0 0 ${DRAWING_WIDTH} ${height}`}
        role="application"
        aria-label={label}
        aria-describedby={`${tone}-how`}
        data-drafting={draft !== null}
        style={{ maxWidth: `calc(${MOST_HEIGHT} * ${picture.width / picture.height})` }}
      >
        <Background url={picture.url} height={height} />
        {others.map((polygon, index) => (
          <polygon key={index} className="other" points={pointsText(polygon, height)} />
        ))}
        {shapes.map((shape) => (
          <EditorShape
            key={shape.key}
            label={shape.label}
            tone={tone}
            polygon={shape.polygon}
            height={height}
            isSelected={shape.key === selected}
            select={() => select(shape.key)}
            change={(polygon) => change(shape.key, polygon)}
            locate={locate}
          />
        ))}
        {draft !== null && (
          <>
            <polyline className="draft" points={pointsText(draft, height)} />
            {draft.map(([x, y], index) => (
              <circle key={index} className="draft-corner" cx={x * DRAWING_WIDTH} cy={y * height} r={7} />
            ))}
            <rect
              className="draft-surface"
              width={DRAWING_WIDTH}
              height={height}
              onPointerDown={(event) => {
                if (draft.length < MOST_CORNERS) setDraft([...draft, locate(event)]);
              }}
            />
          </>
        )}
      </svg>
      <Faults shapes={shapes} />
    </div>
  );
}

function Background({ url, height }: { url: string | null; height: number }) {
  if (url !== null) {
    return <image href={url} width={DRAWING_WIDTH} height={height} preserveAspectRatio="none" />;
  }
  const lines = Array.from({ length: 9 }, (_, index) => (index + 1) / 10);
  return (
    <g className="grid">
      <rect width={DRAWING_WIDTH} height={height} />
      {lines.map((share) => (
        <line key={`x${share}`} x1={share * DRAWING_WIDTH} x2={share * DRAWING_WIDTH} y1={0} y2={height} />
      ))}
      {lines.map((share) => (
        <line key={`y${share}`} x1={0} x2={DRAWING_WIDTH} y1={share * height} y2={share * height} />
      ))}
    </g>
  );
}

/** What is wrong with which outline, said as soon as it is. */
function Faults({ shapes }: { shapes: readonly Shape[] }) {
  const { t } = useTranslation();
  return (
    <div role="alert">
      {shapes.map(({ key, label, polygon }) => {
        const found = fault(polygon);
        return found === null ? null : (
          <p key={key} className="note note-problem">
            {t(`drawing.fault.${found}`, { shape: label })}
          </p>
        );
      })}
    </div>
  );
}

function useDrawingShortcuts(isDrafting: boolean, finish: () => void, cancel: () => void): void {
  const { t } = useTranslation();
  useShortcuts(
    t("drawing.title"),
    isDrafting
      ? [
          { keys: ["Enter"], label: t("drawing.finish"), run: finish },
          { keys: ["Escape"], label: t("drawing.cancel"), run: cancel },
        ]
      : [
          { keys: ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"], label: t("keys.corner") },
          { keys: ["Insert", "+"], label: t("keys.addCorner") },
          { keys: ["Delete", "Backspace"], label: t("keys.removeCorner") },
        ],
  );
}

function pointsText(polygon: Polygon, height: number): string {
  return polygon.map(([x, y]) => `${x * DRAWING_WIDTH},${y * height}`).join(" ");
}
