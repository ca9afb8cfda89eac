import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Camera, Zone } from "../api/types";
import { fault, type Polygon } from "../drawing/polygon";
import { PolygonEditor } from "../drawing/polygon-editor";
import { usePicture } from "../drawing/use-picture";
import { useRules } from "../rules/queries";
import { zoneKinds } from "../rules/words";
import { StillNote } from "./camera-still";
import { useStill } from "./queries";
import { RuleCards } from "./rule-cards";
import { SaveBar } from "./save-bar";
import { useDraft } from "./use-draft";
import { ZoneCard } from "./zone-card";
import { draftOf, homeOf, newZone, type ZonesDraft } from "./zone-edits";

/** The api's bound. */
const MOST_ZONES = 64;

const POLYGON = "polygon";

/** Zones of one camera and the rules that look at them. */
export function ZonesSection({ camera }: { camera: Camera }) {
  const { t } = useTranslation();
  const draft = useDraft<ZonesDraft>(camera, draftOf);
  const picture = usePicture(useStill(camera.id).data ?? null);
  const catalogue = useRules().data ?? [];
  const [selected, setSelected] = useState<string | null>(null);
  const { zones, rules } = draft.value;
  // What has another shape is drawn elsewhere: here it keeps its points.
  const drawn = zones.filter(({ shape }) => shape === POLYGON);
  const kind = zoneKinds(catalogue).find(({ shape }) => shape === POLYGON)?.name;

  const add = (points: Polygon) => {
    if (kind === undefined) return;
    const name = t("zones.newName", { index: zones.length + 1 });
    const zone = newZone(
      points,
      name,
      kind,
      zones.map(({ id }) => id),
    );
    draft.set({ zones: [...zones, zone], rules });
    setSelected(zone.id);
  };

  return (
    <section className="section" aria-labelledby="zones-heading">
      <h2 id="zones-heading">{t("zones.title")}</h2>
      <StillNote camera={camera} />
      <PolygonEditor
        label={t("zones.drawing", { camera: camera.name })}
        tone="zone"
        shapes={drawn.map(({ id, name, points }) => ({ key: id, label: name, polygon: points }))}
        others={camera.masking?.polygons ?? []}
        picture={picture}
        selected={selected}
        select={setSelected}
        change={(id, points) =>
          draft.set({ zones: zones.map((zone) => (zone.id === id ? { ...zone, points } : zone)), rules })
        }
        add={add}
        mostShapes={kind === undefined ? 0 : MOST_ZONES - (zones.length - drawn.length)}
      />
      {zones.length === 0 && <p className="empty">{t("zones.none")}</p>}
      {zones.map((zone) => (
        <ZoneCard
          key={zone.id}
          camera={camera}
          zone={zone}
          catalogue={catalogue}
          draft={draft.value}
          change={draft.set}
        />
      ))}
      <RuleCards
        camera={camera}
        rules={rules.filter((rule) => zones.every(({ id }) => id !== homeOf(rule, catalogue)))}
        catalogue={catalogue}
        draft={draft.value}
        change={draft.set}
      />
      <SaveBar
        camera={camera.id}
        draft={draft}
        obstacle={obstacle()}
        save={() => draft.save({ part: "zones", value: { zones: [...zones], rules: [...rules] } })}
      />
    </section>
  );

  function obstacle(): string | null {
    // What was saved so by another release is kept as it is, and hinders no other change.
    const isSaved = ({ id, points }: Zone) =>
      camera.zones.some((saved) => saved.id === id && JSON.stringify(saved.points) === JSON.stringify(points));
    if (drawn.some((zone) => fault(zone.points) !== null && !isSaved(zone))) return t("drawing.faulty");
    return zones.some(({ name }) => name.trim() === "") ? t("zones.needsName") : null;
  }
}
