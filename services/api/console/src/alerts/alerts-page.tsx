import { useState } from "react";
import { GridList, GridListItem, ToggleButton, ToggleButtonGroup } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { useNavigate, useSearchParams } from "react-router";

import type { Alert } from "../api/types";
import { livePath, playbackPath } from "../shell/paths";
import { useShortcuts } from "../shell/shortcuts";
import { useTitle } from "../shell/title";
import { useRuleName } from "../rules/queries";
import { ProblemNote } from "../ui/problem-note";
import { AlertDetail, LEAD_IN_MS } from "./alert-detail";
import { AlertRow } from "./alert-row";
import type { AlertList } from "./cache";
import { useAcknowledge, useAlerts } from "./queries";
import { alertSentence } from "./words";

const LISTS: readonly AlertList[] = ["todo", "all"];

export function AlertsPage() {
  const { t } = useTranslation();
  const ruleName = useRuleName();
  const [list, setList] = useState<AlertList>("todo");
  const alerts = useAlerts(list);
  const everything = useAlerts("all").data ?? [];
  const [search, setSearch] = useSearchParams();
  const acknowledge = useAcknowledge();
  const items = alerts.data ?? [];
  // Without one in the address it is the first there was: nothing that arrives later slips under a hand.
  const [first, setFirst] = useState<string | null>(null);
  if (first === null && items[0] !== undefined) setFirst(items[0].id);
  const wanted = search.get("alert") ?? first;
  // One that somebody takes leaves the list to handle but stays in view, so that it can be read who took it.
  const selected = [...items, ...everything].find(({ id }) => id === wanted) ?? null;
  useTitle(t("alerts.page"));

  const select = (id: string) => {
    acknowledge.reset();
    setSearch({ alert: id }, { replace: true });
  };
  const take = (alert: Alert | null) => {
    if (alert?.acknowledged_by !== null) return; // nothing selected, or taken already
    acknowledge.mutate(alert);
  };
  useAlertShortcuts(selected, items, take, select);

  return (
    <div className="alerts-page">
      <section className="alerts-list" aria-labelledby="alerts-heading">
        <h1 id="alerts-heading">{t("alerts.page")}</h1>
        <ToggleButtonGroup
          className="choice"
          aria-label={t("alerts.which")}
          selectionMode="single"
          disallowEmptySelection
          selectedKeys={[list]}
          onSelectionChange={(keys) => setList(LISTS.find((each) => keys.has(each)) ?? "todo")}
        >
          {LISTS.map((each) => (
            <ToggleButton key={each} id={each} className="button">
              {t(`alerts.list.${each}`)}
            </ToggleButton>
          ))}
        </ToggleButtonGroup>
        {alerts.isError && <ProblemNote error={alerts.error} />}
        <GridList
          aria-label={t(`alerts.list.${list}`)}
          items={items}
          selectionMode="single"
          selectionBehavior="replace"
          disallowEmptySelection
          selectedKeys={selected === null ? [] : [selected.id]}
          onSelectionChange={(keys) => {
            const chosen = items.find(({ id }) => keys !== "all" && keys.has(id));
            if (chosen !== undefined) select(chosen.id);
          }}
          renderEmptyState={() => <p className="empty">{alerts.isPending ? t("shell.loading") : t("alerts.none")}</p>}
          dependencies={[t, ruleName]}
        >
          {(alert) => (
            <GridListItem
              id={alert.id}
              textValue={alertSentence(t, alert, ruleName(alert.rule))}
              className="alert-item"
            >
              <AlertRow alert={alert} />
            </GridListItem>
          )}
        </GridList>
      </section>
      {selected !== null && (
        <AlertDetail
          key={selected.id}
          alert={selected}
          acknowledge={() => take(selected)}
          isPending={acknowledge.isPending}
          error={acknowledge.isError ? acknowledge.error : null}
        />
      )}
    </div>
  );
}

function useAlertShortcuts(
  selected: Alert | null,
  items: readonly Alert[],
  take: (alert: Alert | null) => void,
  select: (id: string) => void,
): void {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const step = (by: number) => {
    const next = items[items.findIndex(({ id }) => id === selected?.id) + by];
    if (next !== undefined) select(next.id);
  };
  useShortcuts(t("alerts.page"), [
    { keys: ["ArrowDown"], label: t("keys.nextAlert"), run: () => step(1) },
    { keys: ["ArrowUp"], label: t("keys.previousAlert"), run: () => step(-1) },
    { keys: ["v"], label: t("alerts.acknowledge"), run: () => take(selected) },
    {
      keys: ["d"],
      label: t("alerts.toLive"),
      run: () => selected !== null && void navigate(livePath(selected.camera)),
    },
    {
      keys: ["e"],
      label: t("alerts.toPlayback"),
      run: () =>
        selected !== null && void navigate(playbackPath(selected.camera, Date.parse(selected.opened_at) - LEAD_IN_MS)),
    },
  ]);
}
