import { useState } from "react";
import { Button, Form } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { PendingSecondFactor } from "../api/types";
import { ProblemNote } from "../ui/problem-note";
import {
  useBeginSecondFactor,
  useConfirmSecondFactor,
  useRemoveSecondFactor,
  useSecondFactor,
  useSecondFactorNoted,
} from "./queries";
import { SecretField } from "./secret-field";

/**
 * Set a second factor, or take it away. Its buttons go when they are done: none of them may be announced as pending,
 * since the announcement outlives the button that it refers to.
 */
export function SecondFactorSection() {
  const { t } = useTranslation();
  const factor = useSecondFactor();
  return (
    <section className="section" aria-labelledby="factor-heading">
      <h2 id="factor-heading">{t("account.factor.title")}</h2>
      {factor.isError && <ProblemNote error={factor.error} />}
      {factor.data?.is_set === false && <Enrolment />}
      {factor.data?.is_set === true && (
        <>
          <p>{t("account.factor.set", { count: factor.data.recovery_codes })}</p>
          <Removal />
        </>
      )}
    </section>
  );
}

/** Password, then key and code, then recovery codes. */
export function Enrolment({ onNoted }: { readonly onNoted?: () => void }) {
  const { t } = useTranslation();
  const [password, setPassword] = useState("");
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  const begin = useBeginSecondFactor();
  if (codes !== null) return <RecoveryCodes codes={codes} onNoted={onNoted} />;
  if (begin.data !== undefined) return <Confirmation pending={begin.data} done={setCodes} />;
  return (
    <Form
      className="account-form"
      onSubmit={(event) => {
        event.preventDefault();
        begin.mutate(password);
      }}
    >
      <p>{t("account.factor.none")}</p>
      <SecretField
        label={t("account.factor.password")}
        value={password}
        onChange={setPassword}
        autoComplete="current-password"
      />
      <div role="alert">{begin.isError && <ProblemNote error={begin.error} />}</div>
      <div className="actions">
        <Button type="submit" className="button" isDisabled={begin.isPending}>
          {t("account.factor.begin")}
        </Button>
      </div>
    </Form>
  );
}

interface ConfirmationProps {
  readonly pending: PendingSecondFactor;
  readonly done: (codes: readonly string[]) => void;
}

function Confirmation({ pending, done }: ConfirmationProps) {
  const { t } = useTranslation();
  const [code, setCode] = useState("");
  const confirm = useConfirmSecondFactor();
  return (
    <Form
      className="account-form"
      onSubmit={(event) => {
        event.preventDefault();
        confirm.mutate({ pending: pending.pending, code }, { onSuccess: ({ codes }) => done(codes) });
      }}
    >
      <p>{t("account.factor.scan")}</p>
      <img className="qr" src={pending.qr} alt={t("account.factor.qr")} />
      <dl className="facts">
        <dt>{t("account.factor.key")}</dt>
        <dd>
          <code>{pending.secret}</code>
        </dd>
      </dl>
      <SecretField label={t("account.factor.code")} value={code} onChange={setCode} autoComplete="one-time-code" />
      <div role="alert">{confirm.isError && <ProblemNote error={confirm.error} />}</div>
      <div className="actions">
        <Button type="submit" className="button button-main" isDisabled={confirm.isPending}>
          {t("account.factor.confirm")}
        </Button>
      </div>
    </Form>
  );
}

function RecoveryCodes({ codes, onNoted }: { codes: readonly string[]; onNoted?: () => void }) {
  const { t } = useTranslation();
  const noted = useSecondFactorNoted();
  return (
    <div className="account-form">
      <h3>{t("account.factor.recovery")}</h3>
      <p role="status">{t("account.factor.recoveryHelp")}</p>
      <ul className="recovery-codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <div className="actions">
        <Button className="button button-main" onPress={() => void noted().then(onNoted)}>
          {t("account.factor.noted")}
        </Button>
      </div>
    </div>
  );
}

function Removal() {
  const { t } = useTranslation();
  const [draft, setDraft] = useState({ password: "", code: "" });
  const remove = useRemoveSecondFactor();
  return (
    <Form
      className="account-form"
      onSubmit={(event) => {
        event.preventDefault();
        remove.mutate(draft);
      }}
    >
      <SecretField
        label={t("account.factor.password")}
        value={draft.password}
        onChange={(password) => setDraft({ ...draft, password })}
        autoComplete="current-password"
      />
      <SecretField
        label={t("account.factor.removeCode")}
        value={draft.code}
        onChange={(code) => setDraft({ ...draft, code })}
        autoComplete="one-time-code"
      />
      <div role="alert">{remove.isError && <ProblemNote error={remove.error} />}</div>
      <div className="actions">
        <Button type="submit" className="button" isDisabled={remove.isPending}>
          {t("account.factor.remove")}
        </Button>
      </div>
    </Form>
  );
}
