import { useTranslation } from "react-i18next";

import type { Camera, CameraInput } from "../api/types";
import { SaveBar } from "./save-bar";
import { SettingsFields } from "./settings-fields";
import { useDraft } from "./use-draft";

export function SettingsSection({ camera }: { camera: Camera }) {
  const { t } = useTranslation();
  const draft = useDraft(camera, readSettings);
  const isElsewhere = draft.value.source.url !== readSettings(camera).source.url;
  return (
    <section className="section" aria-labelledby="settings-heading">
      <h2 id="settings-heading">{t("settings.title")}</h2>
      <SettingsFields value={draft.value} change={draft.set} />
      {isElsewhere && camera.masking !== null && <p className="note">{t("settings.urlEndsMasking")}</p>}
      <SaveBar
        camera={camera.id}
        draft={draft}
        obstacle={isComplete(draft.value) ? null : t("settings.incomplete")}
        save={() => draft.save({ part: "camera", value: draft.value })}
      />
    </section>
  );
}

export function isComplete({ name, commune, source }: CameraInput): boolean {
  return [name, commune, source.url].every((text) => text.trim() !== "");
}

function readSettings({ name, commune, source, nominal_fps, enabled }: Camera): CameraInput {
  return { name, commune, source: source ?? { url: "", transport: "tcp" }, nominal_fps, enabled };
}
