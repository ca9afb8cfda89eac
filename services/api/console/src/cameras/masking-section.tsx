import { useState } from "react";
import { Button, Label, RadioGroup, TextArea, TextField } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { Camera, MaskingInput } from "../api/types";
import { fault, type Polygon } from "../drawing/polygon";
import { PolygonEditor } from "../drawing/polygon-editor";
import { usePicture } from "../drawing/use-picture";
import { useFormats } from "../i18n/formats";
import { StillNote } from "./camera-still";
import { useStill } from "./queries";
import { SaveBar } from "./save-bar";
import { useDraft } from "./use-draft";
import { Choice } from "../ui/check";

/** The api's bound. */
const MOST_MASKS = 32;

type Masking = Required<Pick<MaskingInput, "mode" | "reason">> & { polygons: Polygon[] };

/** The decision on what must never be seen. */
export function MaskingSection({ camera }: { camera: Camera }) {
  const { t } = useTranslation();
  const draft = useDraft(camera, readMasking);
  const picture = usePicture(useStill(camera.id).data ?? null);
  const [selected, setSelected] = useState<string | null>(null);
  const { mode, polygons, reason } = draft.value;
  const setPolygons = (changed: Polygon[]) => draft.set({ ...draft.value, polygons: changed });

  return (
    <section className="section" aria-labelledby="masking-heading">
      <h2 id="masking-heading">{t("masking.title")}</h2>
      <Decided camera={camera} />
      <RadioGroup
        className="radio-group"
        value={mode}
        onChange={(value) => draft.set({ ...draft.value, mode: value === "open" ? "open" : "burn" })}
      >
        <Label>{t("masking.mode")}</Label>
        <Choice value="burn">{t("masking.burn")}</Choice>
        <Choice value="open">{t("masking.open")}</Choice>
      </RadioGroup>
      {mode === "burn" && (
        <>
          <StillNote camera={camera} />
          <PolygonEditor
            label={t("masking.drawing", { camera: camera.name })}
            tone="mask"
            shapes={polygons.map((polygon, index) => ({ key: String(index), label: maskName(index), polygon }))}
            others={[]}
            picture={picture}
            selected={selected}
            select={setSelected}
            change={(key, polygon) =>
              setPolygons(polygons.map((each, index) => (String(index) === key ? polygon : each)))
            }
            add={(polygon) => {
              setPolygons([...polygons, polygon]);
              setSelected(String(polygons.length));
            }}
            mostShapes={MOST_MASKS}
          />
          <ul className="shape-list" aria-label={t("masking.list")}>
            {polygons.map((polygon, index) => (
              <li key={index} data-selected={selected === String(index)}>
                {maskName(index)} · {t("drawing.corners", { count: polygon.length })}
                <Button
                  className="button button-small"
                  onPress={() => setPolygons(polygons.filter((_, each) => each !== index))}
                  aria-label={t("drawing.removeShape", { shape: maskName(index) })}
                >
                  {t("drawing.remove")}
                </Button>
              </li>
            ))}
          </ul>
        </>
      )}
      <TextField
        className="field"
        value={reason}
        onChange={(value) => draft.set({ ...draft.value, reason: value })}
        maxLength={500}
        isRequired
      >
        <Label>{t("masking.reason")}</Label>
        <TextArea rows={2} />
      </TextField>
      <SaveBar
        camera={camera.id}
        draft={draft}
        obstacle={obstacle(draft.value)}
        save={() =>
          draft.save({
            part: "masking",
            value: {
              mode,
              reason: reason.trim(),
              polygons: mode === "burn" ? polygons : [],
              drawn_on: picture.drawnOn,
            },
          })
        }
      />
    </section>
  );

  function maskName(index: number): string {
    return t("masking.mask", { index: index + 1 });
  }

  function obstacle(value: Masking): string | null {
    if (value.mode === "burn" && value.polygons.length === 0) return t("masking.needsPolygon");
    if (value.mode === "burn" && value.polygons.some((polygon) => fault(polygon) !== null)) return t("drawing.faulty");
    return value.reason.trim() === "" ? t("masking.needsReason") : null;
  }
}

function Decided({ camera }: { camera: Camera }) {
  const { t } = useTranslation();
  const formats = useFormats();
  const { masking } = camera;
  if (masking === null) return <p className="note">{t("masking.undecided")}</p>;
  return (
    <p className="muted">
      {t("masking.decided", {
        who: masking.decided_by,
        at: formats.dateTime(masking.decided_at),
        version: masking.version,
      })}
    </p>
  );
}

function readMasking({ masking }: Camera): Masking {
  if (masking === null) return { mode: "burn", polygons: [], reason: "" };
  return { mode: masking.mode, polygons: masking.polygons, reason: masking.reason };
}
