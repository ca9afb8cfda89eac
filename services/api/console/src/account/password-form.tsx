import { useState } from "react";
import { Button, Form } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { ProblemNote } from "../ui/problem-note";
import { useChangePassword } from "./queries";
import { SecretField } from "./secret-field";

const EMPTY = { current: "", new: "", repeated: "" };

/** Change one's password. It is typed twice, since nobody sees it. */
export function PasswordForm() {
  const { t } = useTranslation();
  const [draft, setDraft] = useState(EMPTY);
  const change = useChangePassword();
  const differ = draft.repeated !== "" && draft.repeated !== draft.new;
  return (
    <Form
      className="account-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (draft.new !== draft.repeated) return;
        change.mutate({ current: draft.current, new: draft.new }, { onSuccess: () => setDraft(EMPTY) });
      }}
    >
      <SecretField
        label={t("account.password.current")}
        value={draft.current}
        onChange={(current) => setDraft({ ...draft, current })}
        autoComplete="current-password"
      />
      <SecretField
        label={t("account.password.new")}
        help={t("account.password.help")}
        value={draft.new}
        onChange={(value) => setDraft({ ...draft, new: value })}
        autoComplete="new-password"
      />
      <SecretField
        label={t("account.password.repeat")}
        value={draft.repeated}
        onChange={(repeated) => setDraft({ ...draft, repeated })}
        autoComplete="new-password"
      />
      <div role="alert">
        {differ && <p className="note note-problem">{t("account.password.differ")}</p>}
        {change.isError && !differ && <ProblemNote error={change.error} />}
      </div>
      <div className="actions">
        <Button type="submit" className="button button-main" isPending={change.isPending} isDisabled={differ}>
          {t("account.password.save")}
        </Button>
        <span role="status">{change.isSuccess && t("account.password.saved")}</span>
      </div>
    </Form>
  );
}
