import { useTranslation } from "react-i18next";

import type { Health, Level } from "../api/types";
import { useCameras } from "../cameras/queries";
import { codedOf } from "../i18n/coded";
import { useFormats } from "../i18n/formats";
import { useTitle } from "../shell/title";
import { LevelMark } from "../ui/level-mark";
import { ProblemNote } from "../ui/problem-note";
import { checked, heard } from "./clocks";
import { measuresOf, type Measure } from "./measures";
import { useHealth } from "./queries";
import { RestingRulesSection } from "./resting-rules-section";

interface Row {
  readonly key: string;
  readonly name: string;
  readonly detail: string;
  readonly level: Level | "stale";
  readonly code: string;
  readonly message: string;
  readonly service: string | null;
  readonly ageS: number | null;
  readonly aheadS: number | null;
  readonly measures: readonly Measure[];
}

export function HealthPage() {
  const { t } = useTranslation();
  const health = useHealth();
  const cameras = useCameras().data ?? [];
  useTitle(t("health.page"));
  const nameOf = (id: string) => cameras.find((camera) => camera.id === id)?.name ?? id;
  return (
    <div className="page">
      <h1>{t("health.page")}</h1>
      {health.isError && <ProblemNote error={health.error} />}
      {health.data !== undefined && (
        <>
          <RestingRulesSection cameras={cameras} />
          <StatusTable title={t("health.services")} rows={serviceRows(health.data)} />
          <StatusTable title={t("health.cameras")} rows={cameraRows(health.data, nameOf)} />
          <StatusTable
            title={t("health.dependencies")}
            rows={(["broker", "store"] as const).map((name) =>
              dependencyRow(t(`health.${name}`), health.data[name], health.data.now),
            )}
          />
        </>
      )}
    </div>
  );
}

function StatusTable({ title, rows }: { title: string; rows: readonly Row[] }) {
  const { t } = useTranslation();
  const formats = useFormats();
  return (
    <section className="section">
      <h2>{title}</h2>
      {rows.length === 0 && <p className="empty">{t("health.nothing")}</p>}
      {rows.length > 0 && (
        <div className="table-scroll">
          <table>
            <caption className="visually-hidden">{title}</caption>
            <thead>
              <tr>
                <th scope="col">{t("health.name")}</th>
                <th scope="col">{t("health.level")}</th>
                <th scope="col">{t("health.message")}</th>
                <th scope="col">{t("health.age")}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.key} data-level={row.level}>
                  <th scope="row">
                    {row.name} <span className="muted small">{row.detail}</span>
                  </th>
                  <td>
                    <LevelMark level={row.level} />
                  </td>
                  <td>
                    {codedOf(row.service, row.code, row.message)}
                    {row.level !== "ok" && codedOf(row.service, row.code, "") !== "" && (
                      <span className="muted small status-words" lang="en">
                        {row.message}
                      </span>
                    )}
                    {row.measures.map(({ name, seconds }) => (
                      <span key={name} className="muted small status-words">
                        {t(`health.measure.${name}`, { age: formats.age(seconds) })}
                      </span>
                    ))}
                    {row.aheadS !== null && (
                      <span className="muted small status-words">
                        {t(row.aheadS > 0 ? "health.clockAhead" : "health.clockBehind", {
                          age: formats.age(Math.abs(row.aheadS)),
                        })}
                      </span>
                    )}
                  </td>
                  <td className="number">{row.ageS === null ? "–" : formats.age(Math.floor(row.ageS))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function serviceRows({ services, now }: Health): Row[] {
  return services.map((status) => ({
    key: `${status.service}/${status.instance}`,
    name: status.service,
    detail: status.instance,
    level: status.stale ? "stale" : status.level,
    code: status.code,
    message: status.message,
    service: status.service,
    ...heard(now, status),
    measures: measuresOf(status.counters ?? {}),
  }));
}

function cameraRows({ cameras, now }: Health, nameOf: (id: string) => string): Row[] {
  return cameras.flatMap(({ camera, statuses }) =>
    statuses.map((status) => ({
      key: `${camera}/${status.service}`,
      name: nameOf(camera),
      detail: status.service,
      level: status.stale ? ("stale" as const) : status.level,
      code: status.code,
      message: status.message,
      service: status.service,
      ...heard(now, status),
      measures: measuresOf(status.counters ?? {}),
    })),
  );
}

function dependencyRow(name: string, found: Health["broker"], now: string): Row {
  const { reachable, message } = found;
  return {
    key: name,
    name,
    detail: "",
    level: reachable ? "ok" : "error",
    code: reachable ? "dependency_reachable" : "dependency_away",
    message,
    service: null,
    ageS: checked(now, found),
    aheadS: null,
    measures: [],
  };
}
