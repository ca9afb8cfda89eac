import { useState } from "react";
import { Button, Input, Label, TextField } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { Camera, Zone } from "../api/types";
import { fault, type Polygon } from "../drawing/polygon";
import { PolygonEditor } from "../drawing/polygon-editor";
import { usePicture } from "../drawing/use-picture";
import { StillNote } from "./camera-still";
import { LoiteringFields } from "./loitering-fields";
import { useStill } from "./queries";
import { SaveBar } from "./save-bar";
import { useDraft } from "./use-draft";
import { NEW_LOITERING, newZone, withRuleVersions } from "./zone-edits";
import { Check } from "../ui/check";

/** The api's bound. */
const MOST_ZONES = 64;

/** Zones of one camera and the rules that look at them. */
export function ZonesSection({ camera }: { camera: Camera }) {
  const { t } = useTranslation();
  const draft = useDraft<readonly Zone[]>(camera, ({ zones }) => zones);
  const picture = usePicture(useStill(camera.id).data?.image ?? null);
  const [selected, setSelected] = useState<string | null>(null);
  const zones = draft.value;
  const change = (id: string, edit: (zone: Zone) => Zone) =>
    draft.set(zones.map((zone) => (zone.id === id ? edit(zone) : zone)));

  const add = (polygon: Polygon) => {
    const zone = newZone(
      polygon,
      t("zones.newName", { index: zones.length + 1 }),
      zones.map(({ id }) => id),
    );
    draft.set([...zones, zone]);
    setSelected(zone.id);
  };

  return (
    <section className="section" aria-labelledby="zones-heading">
      <h2 id="zones-heading">{t("zones.title")}</h2>
      <StillNote camera={camera} />
      <PolygonEditor
        label={t("zones.drawing", { camera: camera.name })}
        tone="zone"
        shapes={zones.map(({ id, name, polygon }) => ({ key: id, label: name, polygon }))}
        others={camera.masking?.polygons ?? []}
        picture={picture}
        selected={selected}
        select={setSelected}
        change={(id, polygon) => change(id, (zone) => ({ ...zone, polygon }))}
        add={add}
        mostShapes={MOST_ZONES}
      />
      {zones.length === 0 && <p className="empty">{t("zones.none")}</p>}
      {zones.map((zone) => (
        <ZoneFields
          key={zone.id}
          zone={zone}
          change={(edit) => change(zone.id, edit)}
          remove={() => draft.set(zones.filter(({ id }) => id !== zone.id))}
        />
      ))}
      <SaveBar
        camera={camera.id}
        draft={draft}
        obstacle={obstacle()}
        save={() => draft.save({ part: "zones", value: withRuleVersions(zones, camera.zones) })}
      />
    </section>
  );

  function obstacle(): string | null {
    if (zones.some(({ polygon }) => fault(polygon) !== null)) return t("drawing.faulty");
    return zones.some(({ name }) => name.trim() === "") ? t("zones.needsName") : null;
  }
}

interface ZoneFieldsProps {
  readonly zone: Zone;
  readonly change: (edit: (zone: Zone) => Zone) => void;
  readonly remove: () => void;
}

function ZoneFields({ zone, change, remove }: ZoneFieldsProps) {
  const { t } = useTranslation();
  const [rule] = zone.rules;
  return (
    <fieldset className="card">
      <legend>{zone.name}</legend>
      <TextField
        className="field"
        value={zone.name}
        maxLength={200}
        isRequired
        onChange={(name) => change((before) => ({ ...before, name }))}
      >
        <Label>{t("zones.name")}</Label>
        <Input />
      </TextField>
      <Check
        isSelected={rule !== undefined}
        onChange={(watched) => change((before) => ({ ...before, rules: watched ? [NEW_LOITERING] : [] }))}
      >
        {t("zones.loitering")}
      </Check>
      {rule !== undefined && (
        <LoiteringFields
          rule={rule}
          change={(edited) => change((before) => ({ ...before, rules: [edited, ...before.rules.slice(1)] }))}
        />
      )}
      <Button
        className="button button-small"
        onPress={remove}
        aria-label={t("drawing.removeShape", { shape: zone.name })}
      >
        {t("drawing.remove")}
      </Button>
    </fieldset>
  );
}
