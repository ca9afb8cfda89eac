import { Button } from "react-aria-components";
import { useTranslation } from "react-i18next";

import type { OwnSession } from "../api/types";
import { useFormats } from "../i18n/formats";
import { ProblemNote } from "../ui/problem-note";
import { useEndSessions, useOwnSessions } from "./queries";

/** Where one is signed in, and an end to each. */
export function SessionsSection() {
  const { t } = useTranslation();
  const sessions = useOwnSessions();
  const end = useEndSessions();
  const rows = sessions.data ?? [];
  return (
    <section className="section" aria-labelledby="sessions-heading">
      <h2 id="sessions-heading">{t("account.sessions.title")}</h2>
      <div role="alert">
        {sessions.isError && <ProblemNote error={sessions.error} />}
        {end.isError && <ProblemNote error={end.error} />}
      </div>
      <div className="table-scroll">
        <table>
          <caption className="visually-hidden">{t("account.sessions.title")}</caption>
          <thead>
            <tr>
              <th scope="col">{t("account.sessions.agent")}</th>
              <th scope="col">{t("account.sessions.address")}</th>
              <th scope="col">{t("account.sessions.since")}</th>
              <th scope="col">{t("account.sessions.seen")}</th>
              <th scope="col">{t("account.sessions.end")}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <SessionRow key={row.id} row={row} isEnding={end.isPending} end={() => end.mutate(row.id)} />
            ))}
          </tbody>
        </table>
      </div>
      <div className="actions">
        <Button
          className="button"
          isDisabled={rows.length < 2}
          isPending={end.isPending}
          onPress={() => end.mutate(null)}
        >
          {t("account.sessions.endOthers")}
        </Button>
      </div>
    </section>
  );
}

interface SessionRowProps {
  readonly row: OwnSession;
  readonly isEnding: boolean;
  readonly end: () => void;
}

function SessionRow({ row, isEnding, end }: SessionRowProps) {
  const { t } = useTranslation();
  const formats = useFormats();
  const since = formats.dateTime(row.created_at);
  return (
    <tr>
      <td className="details">{row.agent === "" ? t("account.sessions.unknown") : row.agent}</td>
      <td>{row.address}</td>
      <td className="number">{since}</td>
      <td className="number">{formats.dateTime(row.seen_at)}</td>
      <td>
        {row.is_this_one ? (
          t("account.sessions.this")
        ) : (
          <Button
            className="button"
            isDisabled={isEnding}
            onPress={end}
            aria-label={t("account.sessions.endOne", { address: row.address, since })}
          >
            {t("account.sessions.end")}
          </Button>
        )}
      </td>
    </tr>
  );
}
