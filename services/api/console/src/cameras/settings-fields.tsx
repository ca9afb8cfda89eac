import { Input, Label, NumberField, Text, TextField } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { CameraInput } from "../api/types";
import { Check } from "../ui/check";

interface SettingsFieldsProps {
  readonly value: CameraInput;
  readonly change: (value: CameraInput) => void;
}

/** What an administrator says of a camera: name, commune, source. */
export function SettingsFields({ value, change }: SettingsFieldsProps) {
  const { t } = useTranslation();
  return (
    <div className="fields">
      {(["name", "commune"] as const).map((part) => (
        <TextField
          key={part}
          className="field"
          value={value[part]}
          maxLength={200}
          isRequired
          onChange={(text) => change({ ...value, [part]: text })}
        >
          <Label>{t(`settings.${part}`)}</Label>
          <Input />
        </TextField>
      ))}
      <TextField
        className="field field-wide"
        value={value.source.url}
        maxLength={500}
        isRequired
        onChange={(url) => change({ ...value, source: { ...value.source, url } })}
      >
        <Label>{t("settings.url")}</Label>
        <Input spellCheck="false" />
        <Text slot="description">{t("settings.urlHelp")}</Text>
      </TextField>
      <TextField
        className="field"
        value={value.source.credentials ?? ""}
        maxLength={127}
        onChange={(text) => change({ ...value, source: { ...value.source, credentials: text === "" ? null : text } })}
      >
        <Label>{t("settings.credentials")}</Label>
        <Input spellCheck="false" />
        <Text slot="description">{t("settings.credentialsHelp")}</Text>
      </TextField>
      <NumberField
        className="field"
        value={value.nominal_fps ?? NaN}
        minValue={1}
        maxValue={120}
        onChange={(fps) => change({ ...value, nominal_fps: Number.isNaN(fps) ? null : fps })}
      >
        <Label>{t("settings.fps")}</Label>
        <Input />
      </NumberField>
      <Check isSelected={value.enabled} onChange={(enabled) => change({ ...value, enabled })}>
        {t("settings.enabled")}
      </Check>
    </div>
  );
}
