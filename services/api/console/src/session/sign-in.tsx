import { useState } from "react";
import { Button, FieldError, Form, Input, Label, Text, TextField } from "react-aria-components";
import { useTranslation } from "react-i18next";

import { isProblem } from "../api/problem";
import { LanguageSwitch } from "../shell/language-switch";
import { useTitle } from "../shell/title";
import { ProblemNote } from "../ui/problem-note";
import { useMeta, useSignIn } from "./queries";

export function SignIn() {
  const { t } = useTranslation();
  const meta = useMeta();
  const signIn = useSignIn();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [asksForCode, setAsksForCode] = useState(false);
  const isCodeNeeded = isProblem(signIn.error, "second_factor_needed");
  useTitle(t("signIn.title"));

  return (
    <div className="sign-in">
      <header className="sign-in-header">
        <LanguageSwitch />
      </header>
      <main id="main" className="sign-in-card">
        <p className="brand-large">Beffroi</p>
        <p className="muted">{meta.data?.commune ?? " "}</p>
        <h1>{t("signIn.title")}</h1>
        <Form
          onSubmit={(event) => {
            event.preventDefault();
            signIn.mutate(
              { username, password, ...(asksForCode ? { code } : {}) },
              { onError: (error) => setAsksForCode((asks) => asks || isProblem(error, "second_factor_needed")) },
            );
          }}
        >
          <TextField name="username" value={username} onChange={setUsername} isRequired autoComplete="username">
            <Label>{t("signIn.username")}</Label>
            <Input />
            <FieldError />
          </TextField>
          <TextField
            name="password"
            type="password"
            value={password}
            onChange={setPassword}
            isRequired
            autoComplete="current-password"
          >
            <Label>{t("signIn.password")}</Label>
            <Input />
            <FieldError />
          </TextField>
          {asksForCode && (
            <TextField name="code" value={code} onChange={setCode} isRequired autoComplete="one-time-code">
              <Label>{t("signIn.code")}</Label>
              <Input inputMode="numeric" ref={focusOnce} />
              <Text slot="description">{t("signIn.codeHelp")}</Text>
              <FieldError />
            </TextField>
          )}
          <div role="alert">
            {signIn.isError && !isCodeNeeded && <Refusal error={signIn.error} hadCode={asksForCode} />}
          </div>
          <Button type="submit" className="button button-main" isPending={signIn.isPending}>
            {t("signIn.submit")}
          </Button>
        </Form>
        <p className="muted small">{t("signIn.traced")}</p>
      </main>
    </div>
  );
}

/** The field appeared because the api asked for it: whoever pressed Enter goes on typing there. */
function focusOnce(input: HTMLInputElement | null): void {
  input?.focus();
}

function Refusal({ error, hadCode }: { error: unknown; hadCode: boolean }) {
  const { t } = useTranslation();
  if (hadCode && isProblem(error, "sign_in_failed"))
    return <p className="note note-problem">{t("signIn.codeWrong")}</p>;
  return <ProblemNote error={error} />;
}
