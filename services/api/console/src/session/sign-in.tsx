import { useState } from "react";
import { Button, FieldError, Form, Input, Label, TextField } from "react-aria-components";
import { useTranslation } from "react-i18next";

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
            signIn.mutate({ username, password });
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
          <div role="alert">{signIn.isError && <ProblemNote error={signIn.error} />}</div>
          <Button type="submit" className="button button-main" isPending={signIn.isPending}>
            {t("signIn.submit")}
          </Button>
        </Form>
        <p className="muted small">{t("signIn.traced")}</p>
      </main>
    </div>
  );
}
