import { useState } from "react";
import { Button, FieldError, Form, Input, Label, Text, TextField } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";

import type { CameraInput } from "../api/types";
import { useMeta } from "../session/queries";
import { cameraPath } from "../shell/paths";
import { useTitle } from "../shell/title";
import { ProblemNote } from "../ui/problem-note";
import { useSaveCamera } from "./queries";
import { SettingsFields } from "./settings-fields";
import { isComplete } from "./settings-section";

/** As the api checks it. */
const CAMERA_ID = String.raw`[a-z0-9][a-z0-9\-]{0,62}`;

export function NewCameraPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const commune = useMeta().data?.commune ?? "";
  const [id, setId] = useState("");
  const [changed, setChanged] = useState<CameraInput | null>(null);
  const value = changed ?? { name: "", commune, source: { url: "", transport: "tcp" }, enabled: true };
  const save = useSaveCamera(id, null);
  useTitle(t("cameras.new"));

  return (
    <div className="page">
      <h1>{t("cameras.new")}</h1>
      <Form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate({ part: "camera", value }, { onSuccess: () => void navigate(cameraPath(id)) });
        }}
      >
        <TextField className="field" value={id} onChange={setId} isRequired pattern={CAMERA_ID} maxLength={63}>
          <Label>{t("cameras.id")}</Label>
          <Input spellCheck="false" />
          <Text slot="description">{t("cameras.idHelp")}</Text>
          <FieldError />
        </TextField>
        <SettingsFields value={value} change={setChanged} />
        <div role="alert">{save.isError && <ProblemNote error={save.error} />}</div>
        <div className="actions">
          <Button
            type="submit"
            className="button button-main"
            isDisabled={!isComplete(value)}
            isPending={save.isPending}
          >
            {t("cameras.create")}
          </Button>
        </div>
      </Form>
    </div>
  );
}
