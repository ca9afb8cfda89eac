import { useState } from "react";
import { Button, Form, Input, Label, TextField } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { AuditRow } from "../api/types";
import { coded } from "../i18n/coded";
import { useFormats } from "../i18n/formats";
import { useTitle } from "../shell/title";
import { ProblemNote } from "../ui/problem-note";
import { useAudit, type AuditFilter } from "./queries";

const NO_FILTER: AuditFilter = { user: "", camera: "" };

export function AuditPage() {
  const { t } = useTranslation();
  const [filter, setFilter] = useState(NO_FILTER);
  const audit = useAudit(filter);
  const rows = audit.data?.pages.flatMap(({ items }) => items) ?? [];
  useTitle(t("audit.page"));
  return (
    <div className="page">
      <h1>{t("audit.page")}</h1>
      <FilterForm apply={setFilter} />
      {audit.isError && <ProblemNote error={audit.error} />}
      {audit.isPending && <p className="empty">{t("shell.loading")}</p>}
      {audit.isSuccess && rows.length === 0 && <p className="empty">{t("audit.none")}</p>}
      {rows.length > 0 && <Rows rows={rows} />}
      {audit.hasNextPage && (
        <Button className="button" onPress={() => void audit.fetchNextPage()} isPending={audit.isFetchingNextPage}>
          {t("audit.older")}
        </Button>
      )}
    </div>
  );
}

function FilterForm({ apply }: { apply: (filter: AuditFilter) => void }) {
  const { t } = useTranslation();
  const [draft, setDraft] = useState(NO_FILTER);
  return (
    <Form
      className="filter"
      onSubmit={(event) => {
        event.preventDefault();
        apply({ user: draft.user.trim(), camera: draft.camera.trim() });
      }}
    >
      {(["user", "camera"] as const).map((part) => (
        <TextField
          key={part}
          className="field"
          value={draft[part]}
          onChange={(value) => setDraft({ ...draft, [part]: value })}
        >
          <Label>{t(`audit.filter.${part}`)}</Label>
          <Input spellCheck="false" />
        </TextField>
      ))}
      <Button type="submit" className="button">
        {t("audit.apply")}
      </Button>
    </Form>
  );
}

function Rows({ rows }: { rows: readonly AuditRow[] }) {
  const { t } = useTranslation();
  const formats = useFormats();
  return (
    <div className="table-scroll">
      <table>
        <caption className="visually-hidden">{t("audit.page")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("audit.at")}</th>
            <th scope="col">{t("audit.user")}</th>
            <th scope="col">{t("audit.action")}</th>
            <th scope="col">{t("audit.camera")}</th>
            <th scope="col">{t("audit.details")}</th>
            <th scope="col">{t("audit.address")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <td className="number">{formats.dateTime(row.at)}</td>
              <td>{row.user}</td>
              <td>{coded("action", row.action, row.action)}</td>
              <td>{row.camera ?? "–"}</td>
              <td className="details">{detailsText(row)}</td>
              <td>{row.address}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function detailsText({ subject, details }: AuditRow): string {
  const parts = Object.entries(details).map(
    ([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return [subject, ...parts].filter((part) => part !== null).join(" · ");
}
